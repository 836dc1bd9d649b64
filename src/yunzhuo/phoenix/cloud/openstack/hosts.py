"""Hosts of driver ``openstack``."""

from collections.abc import Mapping, Sequence

from yunzhuo.phoenix.cloud.errors import HostNotDown, HostNotFound, NoCapacity, ServerBusy, ServerNotFound
from yunzhuo.phoenix.cloud.openstack.connection import HYPERVISORS, Connection, Json, Refusals
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup
from yunzhuo.phoenix.cloud.openstack.verbs import refusals, refuse_locked
from yunzhuo.phoenix.cloud.resources import Host, Server, ServerStatus
from yunzhuo.phoenix.common.errors import Conflict, Forbidden

_MIB_OF_GIB = 1024


class OpenStackHosts:
    """The hypervisors, where the cloud lets our account see them (infras/openstack/etc/nova/policy.yaml); else none."""

    def __init__(self, connection: Connection, lookup: ServerLookup) -> None:
        self._connection = connection
        self._lookup = lookup

    def list(self) -> Sequence[Host]:
        try:
            found = self._hypervisors()
        except Forbidden:
            return ()
        services, aggregates = self._services_if_told(), self._aggregates()
        return tuple(_read(each, services.get(_service_host(each), {}), aggregates) for each in found)

    def disable(self, host_id: str, reason: str) -> None:
        self._change(host_id, {"status": "disabled", "disabled_reason": reason[:255] or "by Yunzhuo"})

    def enable(self, host_id: str) -> None:
        if self._find(host_id).get("forced_down"):
            self._change(host_id, {"forced_down": False})
        self._change(host_id, {"status": "enabled"})

    def force_down(self, host_id: str) -> None:
        """Nova itself would believe it of a host that is heard of, and two of each server could then write to one disk."""
        service = self._find(host_id)
        if service.get("state") == "up":
            raise HostNotDown(host_id)
        self._change(host_id, {"status": "disabled", "disabled_reason": "It was forced down."})
        self._change(host_id, {"forced_down": True})

    def live_migrate(self, server_id: str, host_id: str | None = None) -> None:
        server = self._settled(server_id)
        if server.status is not ServerStatus.RUNNING:
            raise ServerBusy("Only a running server moves while it runs.", server_id=server_id)
        host = None if host_id is None else self._find(host_id)["host"]
        self._wish(server_id, {"os-migrateLive": {"host": host, "block_migration": "auto"}})

    def migrate(self, server_id: str) -> None:
        server = self._settled(server_id)
        if server.status not in (ServerStatus.RUNNING, ServerStatus.STOPPED):
            raise ServerBusy(f"A server that is {server.status.value} does not move.", server_id=server_id)
        self._wish(server_id, {"migrate": None})

    def evacuate(self, server_id: str) -> None:
        seen = self._lookup.see(server_id)
        refuse_locked(seen)
        server = seen.server
        service = self._find(server.host)
        if service.get("state") == "up" or not service.get("forced_down"):
            raise HostNotDown(server.host)
        self._wish(server_id, {"evacuate": {}})

    def _settled(self, server_id: str) -> Server:
        seen = self._lookup.see(server_id)
        refuse_locked(seen)
        if seen.is_changing:
            raise ServerBusy(f"The server is still changing ({seen.task or seen.nova_status}).", server_id=server_id)
        return seen.server

    def _wish(self, server_id: str, body: Json) -> None:
        meanings: Refusals = {
            **refusals(server_id),
            400: lambda said, **details: NoCapacity(f"There is no host that it could move to: {said}", **details),
            404: lambda _said, **_details: ServerNotFound(server_id),
        }
        self._lookup.disturb(server_id)
        self._connection.ask("compute", "POST", f"/servers/{server_id}/action", body, refusals=meanings)

    def _change(self, host_id: str, body: Json) -> None:
        path = f"/os-services/{self._find(host_id)['id']}"
        meanings: Refusals = {
            # What was evacuated is still there until its nova-compute has started anew and has let go of it.
            400: lambda said, **details: Conflict("host_not_back", f"The host is not back yet: {said}", **details),
            404: lambda _said, **_details: HostNotFound(host_id),
        }
        self._connection.ask("compute", "PUT", path, body, version=HYPERVISORS, refusals=meanings)

    def _find(self, host_id: str) -> Json:
        """The service of a host that is known by its hypervisor's name. Raises HostNotFound."""
        for each in self._hypervisors():
            if each["hypervisor_hostname"] == host_id:
                found = self._services().get(_service_host(each))
                if found is not None:
                    return found
        raise HostNotFound(host_id)

    def _hypervisors(self) -> Sequence[Json]:
        found: Sequence[Json] = self._connection.get("compute", "/os-hypervisors/detail", version=HYPERVISORS)["hypervisors"]
        return found

    def _services(self) -> Mapping[str, Json]:
        """nova-compute's, by the host's name. Raises Forbidden."""
        found = self._connection.get("compute", "/os-services?binary=nova-compute", version=HYPERVISORS)["services"]
        return {each["host"]: each for each in found}

    def _services_if_told(self) -> Mapping[str, Json]:
        """None where our account may not see them."""
        try:
            return self._services()
        except Forbidden:
            return {}

    def _aggregates(self) -> Sequence[Json]:
        try:
            found: Sequence[Json] = self._connection.get("compute", "/os-aggregates")["aggregates"]
        except Forbidden:
            return ()
        return found


def _service_host(found: Json) -> str:
    return str((found.get("service") or {}).get("host") or "")


def _read(found: Json, service: Json, aggregates: Sequence[Json]) -> Host:
    host = _service_host(found)
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
        is_enabled=found.get("status") != "disabled",
        is_up=found.get("state") != "down",
        is_forced_down=bool(service.get("forced_down")),
        zone=str(service.get("zone") or ""),
        aggregates=tuple(sorted(each["name"] for each in aggregates if host in each["hosts"])),
    )


def _problems(found: Json) -> Sequence[str]:
    problems = []
    if found.get("state") == "down":
        problems.append("Its nova-compute has not been heard of.")
    if found.get("status") == "disabled":
        reason = (found.get("service") or {}).get("disabled_reason")
        problems.append(f"It is disabled: {reason}." if reason else "It is disabled.")
    return problems
