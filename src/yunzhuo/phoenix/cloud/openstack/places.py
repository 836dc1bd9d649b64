"""Where in the cloud things are: in Yunzhuo's own project, or in one of an organization's. Their ids say which (ADR 42).

What is in Yunzhuo's own project goes by the cloud's ids; what is in another by that project's id, a dot, and the cloud's. So
whoever has an id needs to ask nobody where it is, and an installation that never had projects has nothing to change.
"""

import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, ProjectNotFound
from yunzhuo.phoenix.cloud.openstack.addresses import OpenStackAddresses
from yunzhuo.phoenix.cloud.openstack.care import OpenStackCare
from yunzhuo.phoenix.cloud.openstack.connection import Connection
from yunzhuo.phoenix.cloud.openstack.domain import Domain
from yunzhuo.phoenix.cloud.openstack.flavors import OpenStackFlavors
from yunzhuo.phoenix.cloud.openstack.guest import OpenStackGuest
from yunzhuo.phoenix.cloud.openstack.hosts import OpenStackHosts
from yunzhuo.phoenix.cloud.openstack.images import OpenStackImages
from yunzhuo.phoenix.cloud.openstack.networks import OpenStackNetworks
from yunzhuo.phoenix.cloud.openstack.routers import OpenStackRouters
from yunzhuo.phoenix.cloud.openstack.security_groups import OpenStackSecurityGroups
from yunzhuo.phoenix.cloud.openstack.server_groups import ServerGroups
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup
from yunzhuo.phoenix.cloud.openstack.servers import OpenStackServers
from yunzhuo.phoenix.cloud.openstack.shown_images import ShownImages
from yunzhuo.phoenix.cloud.openstack.volumes import OpenStackVolumes

_Found = TypeVar("_Found")
_IN_A_PROJECT = re.compile(r"([0-9a-f]{32})\.(.+)", re.DOTALL)
_LISTS_AT_ONCE = 8


def full_id(project_id: str | None, own_id: str) -> str:
    """By which a thing of a project is known outside of this driver."""
    return own_id if project_id is None else f"{project_id}.{own_id}"


def parts_of(thing_id: str) -> tuple[str | None, str]:
    """The project that a thing is in, None: Yunzhuo's own; and the cloud's id of it."""
    found = _IN_A_PROJECT.fullmatch(thing_id)
    return (found[1], found[2]) if found else (None, thing_id)


class Place:
    """One project, and what can be asked of it. Flavors and images are those that Yunzhuo's own project sees."""

    def __init__(
        self, connection: Connection, flavors: OpenStackFlavors, images: OpenStackImages, *, project_id: str | None = None
    ) -> None:
        self.connection = connection
        self.project_id = project_id
        lookup = ServerLookup(connection)
        self.networks = OpenStackNetworks(connection, has_own=project_id is not None)
        fitting = images if project_id is None else ShownImages(images, project_id)
        self.server_groups = ServerGroups(connection)
        self.servers = OpenStackServers(connection, lookup, flavors, fitting, self.networks, self.server_groups)
        self.volumes = OpenStackVolumes(connection, lookup)
        self.addresses = OpenStackAddresses(connection, lookup, self.networks)
        self.routers = OpenStackRouters(connection, self.networks.forget)
        self.security_groups = OpenStackSecurityGroups(connection)
        self.care = OpenStackCare(connection, lookup, images, self.security_groups)
        self.hosts = OpenStackHosts(connection, lookup)
        self.guest = OpenStackGuest(connection, lookup)

    def full_id(self, own_id: str) -> str:
        """By which a thing that is here is known outside of this driver."""
        return full_id(self.project_id, own_id)


class Places:
    """All projects that this installation has anything in. May be used by several threads at once."""

    def __init__(self, connection: Connection, domain: Domain) -> None:
        self.flavors = OpenStackFlavors(connection)
        self.images = OpenStackImages(connection, self.flavors)
        self.home = Place(connection, self.flavors, self.images)
        self._domain = domain
        self._known: dict[str, Place] = {}
        self._lock = threading.Lock()

    def of(self, thing_id: str) -> tuple[Place | None, str]:
        """Where a thing is, and the cloud's id of it; None: in no project of ours."""
        project_id, own_id = parts_of(thing_id)
        return self._find(project_id), own_id

    def named(self, project_id: str | None) -> Place:
        """The place that somebody names. Raises CloudNotOffered, ProjectNotFound."""
        if project_id is not None and not self._domain.is_offered:
            raise CloudNotOffered("projects (the setting [openstack] projects_domain is empty)")
        place = self._find(project_id)
        if place is None:
            raise ProjectNotFound(project_id or "")
        return place

    def told_id(self, project_id: str, own_id: str) -> str | None:
        """By which a thing is known that the cloud tells of; None: it is not in any project that we know now. Asks nobody:
        most of what a cloud tells is about others."""
        if project_id == self.home.connection.project_id:
            return own_id
        with self._lock:
            return full_id(project_id, own_id) if project_id in self._known else None

    def gather(self, ask: Callable[[Place], Sequence[_Found]]) -> Sequence[_Found]:
        """What all places answer: all of it, or the error of one. Those that the cloud has closed are left out."""
        if not self._domain.is_offered:
            return ask(self.home)
        # As they are now: what is in one that another process has just made must not look lost.
        projects = self._domain.fresh()
        self._forget_others({project.id for project in projects})
        places = [self.home, *(self._made(project.id) for project in projects if project.is_enabled)]
        with ThreadPoolExecutor(max_workers=min(_LISTS_AT_ONCE, len(places))) as pool:
            return [each for found in pool.map(ask, places) for each in found]

    def close(self) -> None:
        """Give back all connections."""
        self._forget_others(set())
        self._domain.close()
        self.home.connection.close()

    def _find(self, project_id: str | None) -> Place | None:
        if project_id is None:
            return self.home
        with self._lock:
            known = self._known.get(project_id)
        if known is not None:
            return known
        is_ours = self._domain.is_offered and self._domain.find(project_id) is not None
        return self._made(project_id) if is_ours else None

    def _made(self, project_id: str) -> Place:
        with self._lock:
            if project_id not in self._known:
                connection = self.home.connection.in_project(project_id)
                self._known[project_id] = Place(connection, self.flavors, self.images, project_id=project_id)
            return self._known[project_id]

    def _forget_others(self, project_ids: set[str]) -> None:
        with self._lock:
            left = [self._known.pop(project_id) for project_id in self._known.keys() - project_ids]
        for place in left:
            place.connection.close()
