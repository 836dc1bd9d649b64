"""Quotas of a project in Nova and Neutron, asked for and set with a token for that project.

Only so can policy give the right for these projects and no others: Nova compares the project of the token.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

from yunzhuo.phoenix.cloud.openstack.connection import Connection, Json
from yunzhuo.phoenix.cloud.project_resources import QuotaKind, QuotaUse
from yunzhuo.phoenix.common.errors import Forbidden, NotFound

_NOVA = {QuotaKind.SERVERS: "instances", QuotaKind.VCPUS: "cores", QuotaKind.MEMORY_MIB: "ram"}
_NEUTRON = {QuotaKind.ADDRESSES: "floatingip"}


def read(connection: Connection) -> Mapping[QuotaKind, QuotaUse]:
    """What is used, and the most that may be."""
    project = connection.project_id
    nova = connection.get("compute", f"/os-quota-sets/{project}/detail")["quota_set"]
    neutron = connection.get("network", f"/quotas/{project}/details")["quota"]
    return {
        **{kind: _use(nova[name]["in_use"], nova[name]["limit"]) for kind, name in _NOVA.items()},
        **{kind: _use(neutron[name]["used"], neutron[name]["limit"]) for kind, name in _NEUTRON.items()},
    }


def write(connection: Connection, quota: Mapping[QuotaKind, int | None]) -> None:
    """Say how much there is from now on, also where more is used; None: the cloud's default."""
    project = connection.project_id
    nova = {name: quota[kind] for kind, name in _NOVA.items() if kind in quota}
    if nova:
        path = f"/os-quota-sets/{project}"
        wanted = _with_defaults(nova, lambda: connection.get("compute", f"{path}/defaults")["quota_set"])
        connection.ask("compute", "PUT", path, {"quota_set": {**wanted, "force": True}})
    neutron = {name: quota[kind] for kind, name in _NEUTRON.items() if kind in quota}
    if neutron:
        path = f"/quotas/{project}"
        wanted = _with_defaults(neutron, lambda: connection.get("network", f"{path}/default")["quota"])
        connection.ask("network", "PUT", path, {"quota": {**wanted, "force": True}})


def forget(connection: Connection) -> None:
    """Let the services forget what was set; where they do not let us, a few rows stay that mean nothing."""
    project, refusals = connection.project_id, {404: _nothing_set}
    with suppress(Forbidden, NotFound):
        connection.ask("compute", "DELETE", f"/os-quota-sets/{project}", refusals=refusals)
    with suppress(Forbidden, NotFound):
        connection.ask("network", "DELETE", f"/quotas/{project}", refusals=refusals)


def _nothing_set(said: str, **details: object) -> NotFound:
    return NotFound("no_quota_set", said, **details)


def _with_defaults(wanted: Mapping[str, int | None], defaults: Callable[[], Json]) -> Json:
    found: Json = defaults() if None in wanted.values() else {}
    return {name: found[name] if most is None else most for name, most in wanted.items()}


def _use(used: int, most: int) -> QuotaUse:
    return QuotaUse(used, None if most < 0 else most)
