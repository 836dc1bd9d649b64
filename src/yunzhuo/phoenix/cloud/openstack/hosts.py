"""Hosts of driver ``openstack``."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.openstack.connection import HYPERVISORS, Connection, Json
from yunzhuo.phoenix.cloud.resources import Host
from yunzhuo.phoenix.common.errors import Forbidden

_MIB_OF_GIB = 1024


class OpenStackHosts:
    """The hypervisors, where the cloud lets our account see them (infras/openstack/etc/nova/policy.yaml); else none."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Host]:
        try:
            found = self._connection.get("compute", "/os-hypervisors/detail", version=HYPERVISORS)
        except Forbidden:
            return ()
        return tuple(map(_read, found["hypervisors"]))


def _read(found: Json) -> Host:
    return Host(
        id=found["hypervisor_hostname"],
        name=found["hypervisor_hostname"],
        accelerator=str(found.get("hypervisor_type") or ""),
        vcpus=found["vcpus"],
        memory_mib=found["memory_mb"],
        # Nova lets hosts be overbooked, and then tells of less than nothing.
        memory_free_mib=min(max(0, found["free_ram_mb"]), found["memory_mb"]),
        disk_free_mib=max(0, found["free_disk_gb"]) * _MIB_OF_GIB,
        servers=found["running_vms"],
        problems=tuple(_problems(found)),
        disk_mib=found["local_gb"] * _MIB_OF_GIB,
    )


def _problems(found: Json) -> Sequence[str]:
    problems = []
    if found.get("state") == "down":
        problems.append("Its nova-compute has not been heard of.")
    if found.get("status") == "disabled":
        reason = (found.get("service") or {}).get("disabled_reason")
        problems.append(f"It is disabled: {reason}." if reason else "It is disabled.")
    return problems
