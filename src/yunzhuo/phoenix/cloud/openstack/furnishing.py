"""What servers need in a project of an organization's own, and what else is there before it may go."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, NetworkInUse, ProjectInUse
from yunzhuo.phoenix.cloud.network_resources import SubnetRequest
from yunzhuo.phoenix.cloud.openstack.connection import READ, VOLUMES, Connection, Json, Service
from yunzhuo.phoenix.cloud.openstack.places import Place
from yunzhuo.phoenix.common.errors import Conflict, NotFound

# What is in a project, by what it is called: the service, what to ask for (with the project's id), the list's name.
_CONTENTS: Mapping[str, tuple[Service, str, str]] = {
    "servers": ("compute", "/servers?limit=1", "servers"),
    "floating IPs": ("network", "/floatingips?project_id={project}&limit=1", "floatingips"),
    "images and snapshots": ("image", "/images?owner={project}&limit=1", "images"),
    "volumes": ("block-storage", "/volumes?limit=1", "volumes"),
    "volumes' snapshots": ("block-storage", "/snapshots?limit=1", "snapshots"),
}
# What Neutron makes by itself, for addresses and routers.
_OF_NETWORKS = "network:"


class Furnishing:
    """A network with a way out and the security groups of the settings, in each project."""

    def __init__(self, home: Place) -> None:
        self._home = home
        self._settings = home.connection.settings
        self._name = f"yunzhuo {self._settings.tag}"

    def put_into(self, place: Place) -> None:
        """Make what is not there yet. Twice is harmless."""
        if self._settings.projects_subnet:
            self._put_network(place)
        else:
            self._share_network(place)
        self._put_groups(place)

    def take_out_of(self, place: Place) -> None:
        """Remove what :meth:`put_into` made, if nothing else is there. Raises ProjectInUse, and has removed nothing then."""
        self._check(place)
        for router in place.routers.list():
            for subnet_id in router.subnet_ids:
                place.routers.disconnect(router.id, subnet_id)
            place.routers.delete(router.id)
        for network in place.networks.details():
            if network.is_ours:
                place.networks.delete(network.id)
        for group in place.security_groups.list():
            if group.name in self._settings.security_groups:
                place.security_groups.delete(group.id)
        place.server_groups.remove_own()
        self._unshare(place)

    def _check(self, place: Place) -> None:
        """Raises ProjectInUse naming what is there that was not put there."""
        found = [what for what, (service, path, name) in _CONTENTS.items() if _has(place.connection, service, path, name)]
        names = {self._name}
        if any(not each["device_owner"].startswith(_OF_NETWORKS) for each in _ports(place.connection)):
            found.append("ports")
        if {network.name for network in place.networks.details() if network.is_ours} - names:
            found.append("networks")
        if {router.name for router in place.routers.list()} - names:
            found.append("routers")
        if {group.name for group in place.security_groups.list()} - {"default", *self._settings.security_groups}:
            found.append("security groups")
        if found:
            raise ProjectInUse(place.project_id or "", found)

    def _put_network(self, place: Place) -> None:
        """A network of its own: nothing of another organization's is on it."""
        subnet = SubnetRequest(self._name, self._settings.projects_subnet)
        network = next((each for each in place.networks.details() if each.is_ours and each.name == self._name), None)
        network = network or place.networks.create(self._name, subnet)
        if not network.subnets:  # a network whose making was cut off
            network = place.networks.add_subnet(network.id, subnet)
        outside = next(iter(self._home.networks.external()), None)
        if outside is None:
            return
        router = next((each for each in place.routers.list() if each.name == self._name), None)
        router = router or place.routers.create(self._name, outside.id)
        for each in network.subnets:
            place.routers.connect(router.id, each.id)

    def _share_network(self, place: Place) -> None:
        """Show it the network of ours that desktops are put on; one that the cloud shares with everybody is seen anyway."""
        network = self._home.networks.choose(None)
        if any(each.id == network.id and each.is_ours for each in self._home.networks.details()):
            policy = {
                "object_type": "network",
                "object_id": network.id,
                "action": "access_as_shared",
                "target_tenant": place.connection.project_id,
            }
            with suppress(_Shared):
                self._home.connection.ask(
                    "network", "POST", "/rbac-policies", {"rbac_policy": policy}, refusals={409: _is_shared}
                )
        place.networks.forget()

    def _unshare(self, place: Place) -> None:
        ask = self._home.connection
        path = f"/rbac-policies?target_tenant={place.connection.project_id}"
        for policy in [*ask.pages("network", path, "rbac_policies")]:
            refusals = {404: _gone, 409: _still_used}
            with suppress(NotFound):
                ask.ask("network", "DELETE", f"/rbac-policies/{policy['id']}", refusals=refusals)

    def _put_groups(self, place: Place) -> None:
        """Copies of our own: a security group is seen by its project alone. Rules that name other groups are left out."""
        wanted = [each for each in self._settings.security_groups if each != "default"]
        there = {group.name for group in place.security_groups.list()} if wanted else set()
        for group in self._home.security_groups.list() if wanted else ():
            if group.name in wanted and group.name not in there:
                rules = [replace(rule, id="") for rule in group.rules if rule.remote_group_id is None]
                place.security_groups.create(group.name, group.description, rules)


def _has(ask: Connection, service: Service, path: str, name: str) -> bool:
    version = VOLUMES if service == "block-storage" else READ
    try:
        return bool(ask.get(service, path.format(project=ask.project_id), version=version).get(name))
    except CloudNotOffered:  # a cloud without Cinder
        return False


def _ports(ask: Connection) -> Iterator[Json]:
    return ask.pages("network", f"/ports?project_id={ask.project_id}&fields=id&fields=device_owner", "ports")


class _Shared(Conflict):
    """It is shared already."""


def _is_shared(said: str, **details: object) -> _Shared:
    return _Shared("network_shared", said, **details)


def _gone(said: str, **details: object) -> NotFound:
    return NotFound("policy_gone", said, **details)


def _still_used(said: str, **details: object) -> NetworkInUse:
    return NetworkInUse(f"The project still uses the shared network: {said}", **details)
