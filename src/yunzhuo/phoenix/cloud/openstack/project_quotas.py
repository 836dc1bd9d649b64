"""Quotas of a project in Nova, Neutron and Cinder, asked for and set with a token for that project.

Only so can policy give the right for these projects and no others: Nova and Cinder compare the project of the token.
Cinder is left alone where its volumes are not, or not only, personal disks.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

from yunzhuo.phoenix.cloud.openstack.connection import VOLUMES, Connection, Json
from yunzhuo.phoenix.cloud.project_resources import QuotaKind, QuotaUse
from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput, NotFound

_NOVA = {QuotaKind.SERVERS: "instances", QuotaKind.VCPUS: "cores", QuotaKind.MEMORY_MIB: "ram"}
_NEUTRON = {QuotaKind.ADDRESSES: "floatingip"}
_CINDER = {QuotaKind.VOLUMES: "volumes", QuotaKind.VOLUMES_MIB: "gigabytes", QuotaKind.VOLUME_SNAPSHOTS: "snapshots"}
_MIB_OF_GIB = 1024


def read(connection: Connection) -> Mapping[QuotaKind, QuotaUse]:
    """What is used, and the most that may be."""
    project = connection.project_id
    nova = connection.get("compute", f"/os-quota-sets/{project}/detail")["quota_set"]
    neutron = connection.get("network", f"/quotas/{project}/details")["quota"]
    return {
        **{kind: _use(nova[name]["in_use"], nova[name]["limit"]) for kind, name in _NOVA.items()},
        **{kind: _use(neutron[name]["used"], neutron[name]["limit"]) for kind, name in _NEUTRON.items()},
        **(_read_volumes(connection) if _has_volumes(connection) else {}),
    }


def write(connection: Connection, quota: Mapping[QuotaKind, int | None]) -> None:
    """Say how much there is from now on, also where more is used; None: the cloud's default."""
    refused: Forbidden | None = None
    for tell in (_tell_nova, _tell_neutron, _tell_cinder):
        try:
            tell(connection, quota)
        except Forbidden as error:  # by one of them: the others are told all the same
            refused = refused or error
    if refused is not None:
        raise refused


def _tell_nova(connection: Connection, quota: Mapping[QuotaKind, int | None]) -> None:
    nova = {name: quota[kind] for kind, name in _NOVA.items() if kind in quota}
    if nova:
        path = f"/os-quota-sets/{connection.project_id}"
        wanted = _with_defaults(nova, lambda: connection.get("compute", f"{path}/defaults")["quota_set"])
        connection.ask("compute", "PUT", path, {"quota_set": {**wanted, "force": True}})


def _tell_neutron(connection: Connection, quota: Mapping[QuotaKind, int | None]) -> None:
    neutron = {name: quota[kind] for kind, name in _NEUTRON.items() if kind in quota}
    if neutron:
        path = f"/quotas/{connection.project_id}"
        wanted = _with_defaults(neutron, lambda: connection.get("network", f"{path}/default")["quota"])
        connection.ask("network", "PUT", path, {"quota": {**wanted, "force": True}})


def _tell_cinder(connection: Connection, quota: Mapping[QuotaKind, int | None]) -> None:
    cinder = {name: _in_gib(kind, quota[kind]) for kind, name in _CINDER.items() if kind in quota}
    if cinder and _has_volumes(connection):
        path = f"/os-quota-sets/{connection.project_id}"
        wanted = _with_defaults(
            cinder, lambda: connection.get("block-storage", f"{path}/defaults", version=VOLUMES)["quota_set"]
        )
        connection.ask("block-storage", "PUT", path, {"quota_set": wanted}, version=VOLUMES)


def forget(connection: Connection) -> None:
    """Let the services forget what was set; where they do not let us, a few rows stay that mean nothing."""
    project, refusals = connection.project_id, {404: _nothing_set}
    with suppress(Forbidden, NotFound):
        connection.ask("compute", "DELETE", f"/os-quota-sets/{project}", refusals=refusals)
    with suppress(Forbidden, NotFound):
        connection.ask("network", "DELETE", f"/quotas/{project}", refusals=refusals)
    if _has_volumes(connection):
        with suppress(Forbidden, NotFound):
            connection.ask("block-storage", "DELETE", f"/os-quota-sets/{project}", version=VOLUMES, refusals=refusals)


def _has_volumes(connection: Connection) -> bool:
    return connection.settings.volumes and not connection.settings.boot_volume_gib


def _read_volumes(connection: Connection) -> Mapping[QuotaKind, QuotaUse]:
    path = f"/os-quota-sets/{connection.project_id}?usage=True"
    cinder = connection.get("block-storage", path, version=VOLUMES)["quota_set"]
    found = {}
    for kind, name in _CINDER.items():
        unit = _MIB_OF_GIB if kind is QuotaKind.VOLUMES_MIB else 1
        found[kind] = _use(unit * cinder[name]["in_use"], unit * cinder[name]["limit"])
    return found


def _in_gib(kind: QuotaKind, most: int | None) -> int | None:
    if kind is not QuotaKind.VOLUMES_MIB or most is None:
        return most
    if most % _MIB_OF_GIB:
        raise InvalidInput("The cloud counts volumes in whole GiB.", fields={kind.value: "a multiple of 1024"})
    return most // _MIB_OF_GIB


def _nothing_set(said: str, **details: object) -> NotFound:
    return NotFound("no_quota_set", said, **details)


def _with_defaults(wanted: Mapping[str, int | None], defaults: Callable[[], Json]) -> Json:
    found: Json = defaults() if None in wanted.values() else {}
    return {name: found[name] if most is None else most for name, most in wanted.items()}


def _use(used: int, most: int) -> QuotaUse:
    return QuotaUse(used, None if most < 0 else most)
