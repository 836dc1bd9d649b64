"""The drivers that the contract suite runs on, and what each of them offers."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from yunzhuo.phoenix.cloud import memory
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.config.settings import Settings

#: Every operation of the interface.
ALL = frozenset(
    {
        "cloud.check",
        "cloud.lacks",
        "cloud.close",
        "servers.create",
        "servers.find",
        "servers.get",
        "servers.list",
        "servers.start",
        "servers.stop",
        "servers.reboot",
        "servers.suspend",
        "servers.resume",
        "servers.rebuild",
        "servers.resize",
        "servers.rename",
        "servers.snapshot",
        "servers.snapshots",
        "servers.roll_back",
        "servers.delete_snapshot",
        "servers.delete",
        "servers.console",
        *(f"care.{verb}" for verb in ("console_log", "pause", "shelve", "lock", "unlock", "rescue", "unrescue")),
        *(f"care.{verb}" for verb in ("security_groups", "set_security_groups")),
        *(f"volumes.{verb}" for verb in ("create", "find", "get", "list", "attach", "detach", "delete")),
        *(f"volumes.{verb}" for verb in ("snapshot", "snapshots", "restore", "delete_snapshot")),
        *(f"addresses.{verb}" for verb in ("create", "find", "list", "associate", "dissociate", "delete")),
        "servers.screenshot",
        "servers.cpu_seconds",
        "flavors.list",
        "flavors.get",
        "images.list",
        "images.get",
        "images.is_prepared",
        "networks.list",
        "networks.external",
        "networks.ports",
        "networks.delete_port",
        *(f"networks.{verb}" for verb in ("details", "create", "delete", "add_subnet", "delete_subnet")),
        *(f"routers.{verb}" for verb in ("list", "create", "set_gateway", "connect", "disconnect", "delete")),
        *(f"security_groups.{verb}" for verb in ("list", "create", "add_rule", "delete_rule", "delete")),
        *(f"image_store.{verb}" for verb in ("list", "get", "create", "upload", "import_from", "download", "update")),
        *(f"image_store.{verb}" for verb in ("deactivate", "reactivate", "share", "unshare", "shared_with", "delete")),
        "notices.listen",
        "hosts.list",
        *(f"hosts.{verb}" for verb in ("disable", "enable", "force_down", "live_migrate", "migrate", "evacuate")),
        *(f"projects.{verb}" for verb in ("list", "create", "get", "quota", "set_quota", "delete")),
        "guest.ready",
        "guest.run",
        "guest.write_file",
        "guest.read_file",
        "guest.list_files",
        "guest.write_piece",
        "guest.read_piece",
        "guest.move_file",
        "guest.delete_file",
        "guest.get_clipboard",
        "guest.set_clipboard",
        "guest.message",
    }
)

#: What a driver offers; whatever is not here has to raise CloudNotOffered, which is tested too.
_NOT_OPENSTACK = frozenset(
    operation
    for operation in ALL
    if operation.startswith(("guest.", "servers.screenshot", "servers.cpu_seconds")) and operation != "guest.ready"
)
_PROJECTS = frozenset(operation for operation in ALL if operation.startswith("projects."))
_ALSO_LOCAL = frozenset({"networks.list", "networks.external", "hosts.list"})
_NOT_LOCAL = frozenset(
    each
    for each in ALL - _ALSO_LOCAL
    if each.startswith(
        (
            *("addresses.", "networks.", "routers.", "security_groups.", "image_store.", "hosts.", "projects."),
            *("notices.", "care."),
        )
    )
)
OFFERS = {
    "memory": ALL,
    "local": ALL - _NOT_LOCAL,
    # As most are: an application credential, which belongs to one project.
    "openstack": ALL - _NOT_OPENSTACK - _PROJECTS,
    "openstack-pretended": ALL - _NOT_OPENSTACK,
}


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver under test. ``patience_seconds`` is the longest that any accepted change may take on it.

    ``has_passwords``: whether its screens ask for one. ``has_other_hosts``: whether its servers have anywhere to move to.
    ``without_host`` keeps a host of the connected cloud from being heard of, for as long; None where no host is ours to kill.
    """

    name: str
    connect: Callable[[Path], AbstractContextManager[Cloud]]
    patience_seconds: float
    marks: tuple[pytest.MarkDecorator, ...] = ()
    has_passwords: bool = True
    has_other_hosts: bool = True
    without_host: Callable[[Cloud, str], AbstractContextManager[None]] | None = None

    @property
    def offers(self) -> frozenset[str]:
        return OFFERS[self.name]


@contextmanager
def _memory_cloud(folder: Path) -> Iterator[Cloud]:
    cloud = memory.connect(Settings(home=folder))
    cloud.control.change_options(
        build_seconds=0.03,
        ready_seconds=0.02,
        start_seconds=0.02,
        stop_seconds=0.02,
        reboot_seconds=0.02,
        suspend_seconds=0.02,
        resume_seconds=0.02,
        rebuild_seconds=0.02,
        resize_seconds=0.02,
        snapshot_seconds=0.02,
        roll_back_seconds=0.02,
        delete_seconds=0.02,
        tells_of_changes=True,
    )
    try:
        yield cloud
    finally:
        cloud.close()


@contextmanager
def _without_memory_host(cloud: Cloud, host_id: str) -> Iterator[None]:
    assert isinstance(cloud, memory.MemoryCloud)
    before = cloud.control.options.hosts
    hosts = [host.model_copy(update={"is_up": False}) if host.id == host_id else host for host in before]
    cloud.control.change_options(hosts=hosts)
    try:
        yield
    finally:
        cloud.control.change_options(hosts=before)


@contextmanager
def _local_cloud(folder: Path) -> Iterator[Cloud]:
    # Imported late: what it needs is not there where only the fast tests run.
    from tests.support.local_cloud import local_cloud

    with local_cloud(folder) as cloud:
        yield cloud


@contextmanager
def _openstack(_folder: Path) -> Iterator[Cloud]:
    from tests.support.openstack_cloud import notifications_url, openstack_cloud

    with openstack_cloud(notifications_url=notifications_url()) as cloud:
        yield cloud


@contextmanager
def _pretended_openstack(_folder: Path) -> Iterator[Cloud]:
    from tests.support.openstack_cloud import PRETENDED, WITH_PROJECTS, openstack_cloud

    # Without notifications, so that changes are asked for.
    with openstack_cloud(**PRETENDED, **WITH_PROJECTS, volumes=True) as cloud:
        yield cloud


@contextmanager
def _without_openstack_host(_cloud: Cloud, host_id: str) -> Iterator[None]:
    from tests.support.openstack_hosts import killed_host

    with killed_host(host_id):
        yield


# Hosts of another cloud than that of `make cloud` are not ours to kill.
_WITHOUT_HOST = None if os.environ.get("OPENSTACK_TEST_CLOUDS") else _without_openstack_host
_OPENSTACK = (pytest.mark.cloud, pytest.mark.timeout(900))
DRIVERS = (
    Driver("memory", _memory_cloud, patience_seconds=5, without_host=_without_memory_host),
    Driver(
        "local",
        _local_cloud,
        patience_seconds=240,
        marks=(pytest.mark.machine, pytest.mark.timeout(900)),
        has_other_hosts=False,
    ),
    # The same cloud twice: real guests, and hosts that only pretend.
    Driver(
        "openstack",
        _openstack,
        patience_seconds=180,
        marks=_OPENSTACK,
        has_passwords=False,
        has_other_hosts=False,
        without_host=_WITHOUT_HOST,
    ),
    Driver(
        "openstack-pretended",
        _pretended_openstack,
        patience_seconds=120,
        marks=_OPENSTACK,
        has_passwords=False,
        without_host=_WITHOUT_HOST,
    ),
)
