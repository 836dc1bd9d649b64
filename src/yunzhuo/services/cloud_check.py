"""Whether a cloud can do what desktops need: every call tried once, on a server made for it and removed again."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, ServerBusy
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import (
    ConsoleProtocol,
    Lack,
    RebootKind,
    Server,
    ServerRequest,
    ServerStatus,
    VolumeRequest,
    VolumeStatus,
)
from yunzhuo.phoenix.common.errors import Inconsistent, NotFound, Unavailable, YunzhuoError
from yunzhuo.phoenix.common.ids import new_id

_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0
_READY_SECONDS = 300.0
_CHANGE_SECONDS = 120.0
_REASON_SECONDS = 5.0
_VOLUME_MIB = 1024
_LOG_BYTES = 1024


class Verdict(StrEnum):
    """How a call went."""

    WORKS = "works"
    NOT_OFFERED = "not offered"
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Tried:
    """A call, how it went and how long it took until its effect was seen, and what the cloud said if it did not go well."""

    call: str
    verdict: Verdict
    seconds: float
    said: str = ""
    cloud_request_id: str | None = None


def look(cloud: Cloud) -> Iterator[Tried]:
    """Tries what changes nothing."""
    looks: Sequence[tuple[str, Callable[[], object]]] = (
        ("cloud.check", cloud.check),
        ("cloud.lacks", lambda: _nothing(cloud.lacks())),
        ("flavors.list", lambda: _some(cloud.flavors.list(), "flavor")),
        ("images.list", lambda: _some(cloud.images.list(), "image")),
        ("networks.list", lambda: _some(cloud.networks.list(), "network")),
        ("hosts.list", lambda: _some(cloud.hosts.list(), "host")),
        ("servers.list", cloud.servers.list),
        ("volumes.list", cloud.volumes.list),
        ("networks.external", cloud.networks.external),
        ("networks.ports", cloud.networks.ports),
        ("addresses.list", cloud.addresses.list),
        ("networks.details", cloud.networks.details),
        ("routers.list", cloud.routers.list),
        ("security_groups.list", cloud.security_groups.list),
        ("image_store.list", cloud.image_store.list),
        ("projects.list", cloud.projects.list),
    )
    for call, ask in looks:
        yield _tried(call, ask)


def _nothing(lacks: Sequence[Lack]) -> None:
    if lacks:
        raise Inconsistent(lacks[0].code, " ".join(lack.message for lack in lacks))


def make_and_remove(cloud: Cloud) -> Iterator[Tried]:
    """Tries what desktops are asked for, on a server of the default image and the smallest flavor that holds it."""
    tag = new_id()
    made = _Made(cloud, tag)
    try:
        created = _tried("servers.create", made.create)
        yield created
        if created.verdict is not Verdict.WORKS:
            return
        for call, ask in made.life():
            yield _tried(call, ask)
    finally:
        removed = _tried("servers.delete", made.remove)
    yield removed
    yield _tried("projects", lambda: _lend_project(cloud, tag))


class _Made:
    """The server of the check."""

    def __init__(self, cloud: Cloud, tag: str) -> None:
        self._cloud = cloud
        self._tag = tag
        self._server_id = ""

    def create(self) -> None:
        image = self._cloud.images.list()[0]
        flavor = next(
            each
            for each in self._cloud.flavors.list()
            if each.memory_mib >= image.min_memory_mib and each.disk_mib >= image.min_disk_mib
        )
        request = ServerRequest(self._tag, "yunzhuo cloud check", "cloud-check", image.id, flavor.id)
        self._server_id = self._cloud.servers.create(request).id
        self._wait(ServerStatus.RUNNING)

    def life(self) -> Sequence[tuple[str, Callable[[], object]]]:
        """What is tried then, in this order."""
        servers, server_id = self._cloud.servers, self._server_id
        return (
            ("servers.find", lambda: _is(servers.find(self._tag), server_id)),
            ("servers.console vnc", lambda: servers.console(server_id, ConsoleProtocol.VNC)),
            ("servers.console spice", lambda: servers.console(server_id, ConsoleProtocol.SPICE)),
            ("guest.ready", self._wait_ready),
            ("volumes", lambda: _lend_volume(self._cloud, self._tag, server_id)),
            ("servers.rename", lambda: servers.rename(server_id, "yunzhuo cloud check, renamed")),
            ("servers.reboot", lambda: self._do(lambda: servers.reboot(server_id, RebootKind.HARD), ServerStatus.RUNNING)),
            ("servers.suspend", lambda: self._do(lambda: servers.suspend(server_id), ServerStatus.SUSPENDED)),
            ("servers.resume", lambda: self._do(lambda: servers.resume(server_id), ServerStatus.RUNNING)),
            ("servers.snapshot", self._snapshot),
            ("servers.rebuild", lambda: self._do(self._rebuild, ServerStatus.RUNNING)),
            ("servers.resize", self._resize),
            ("servers.stop", lambda: self._do(lambda: servers.stop(server_id), ServerStatus.STOPPED)),
            ("servers.start", lambda: self._do(lambda: servers.start(server_id), ServerStatus.RUNNING)),
            ("care.console_log", lambda: self._cloud.care.console_log(server_id, max_bytes=_LOG_BYTES)),
            ("care.security_groups", self._regroup),
            ("care.lock", self._lock),
            ("care.pause", self._pause),
            ("care.shelve", self._shelve),
            ("care.rescue", self._rescue),
        )

    def remove(self) -> None:
        server = self._cloud.servers.find(self._tag)
        if server is not None:
            self._cloud.servers.delete(server.id)
        _until(lambda: self._cloud.servers.find(self._tag) is None, _CHANGE_SECONDS, "gone")

    def _do(self, verb: Callable[[], None], status: ServerStatus) -> None:
        _until(lambda: _is_taken(verb), _CHANGE_SECONDS, "no longer busy")
        self._wait(status)

    def _wait(self, status: ServerStatus) -> None:
        def is_it() -> bool:
            server = self._cloud.servers.get(self._server_id)
            if server.status is ServerStatus.ERROR and status is not ServerStatus.ERROR:
                raise Inconsistent("server_failed", f"The server failed: {self._why()}")
            return server.status is status

        _until(is_it, _READY_SECONDS, status.value)

    def _why(self) -> str:
        """The cloud's reason, which some clouds say a moment after the status."""
        with suppress(Unavailable):
            _until(lambda: self._cloud.servers.get(self._server_id).fault is not None, _REASON_SECONDS, "explained")
        return self._cloud.servers.get(self._server_id).fault or "the cloud does not say why"

    def _wait_ready(self) -> None:
        _until(lambda: self._cloud.guest.ready(self._server_id), _READY_SECONDS, "ready")

    def _regroup(self) -> None:
        self._cloud.care.set_security_groups(self._server_id, self._cloud.care.security_groups(self._server_id))

    def _lock(self) -> None:
        self._cloud.care.lock(self._server_id)
        self._cloud.care.unlock(self._server_id)

    def _pause(self) -> None:
        self._do(lambda: self._cloud.care.pause(self._server_id), ServerStatus.SUSPENDED)
        self._do(lambda: self._cloud.servers.resume(self._server_id), ServerStatus.RUNNING)

    def _shelve(self) -> None:
        self._do(lambda: self._cloud.care.shelve(self._server_id), ServerStatus.STOPPED)
        self._do(lambda: self._cloud.servers.start(self._server_id), ServerStatus.RUNNING)

    def _rescue(self) -> None:
        self._do(lambda: self._cloud.care.rescue(self._server_id), ServerStatus.RESCUED)
        self._do(lambda: self._cloud.care.unrescue(self._server_id), ServerStatus.RUNNING)

    def _rebuild(self) -> None:
        self._cloud.servers.rebuild(self._server_id, self._cloud.servers.get(self._server_id).image_id)

    def _resize(self) -> None:
        now = self._cloud.flavors.get(self._cloud.servers.get(self._server_id).flavor_id)
        larger = next(
            (each for each in self._cloud.flavors.list() if each.id != now.id and each.disk_mib >= now.disk_mib), None
        )
        if larger is None:
            raise NotFound("flavor_not_found", "There is no second flavor to resize to.")
        self._do(lambda: self._cloud.servers.resize(self._server_id, larger.id), ServerStatus.RUNNING)

    def _snapshot(self) -> None:
        taken = self._cloud.servers.snapshot(self._server_id, "yunzhuo cloud check")

        def stands() -> bool:
            return taken.id in {snapshot.id for snapshot in self._cloud.servers.snapshots(self._server_id)}

        _until(stands, _CHANGE_SECONDS, "kept")
        self._do(lambda: self._cloud.servers.roll_back(self._server_id, taken.id), ServerStatus.RUNNING)
        _until(
            lambda: _is_taken(lambda: self._cloud.servers.delete_snapshot(self._server_id, taken.id)), _CHANGE_SECONDS, "free"
        )


def _lend_volume(cloud: Cloud, tag: str, server_id: str) -> None:
    """Make a volume, plug it in, keep its state, unplug it, put it back and remove it."""
    volume = cloud.volumes.create(VolumeRequest(tag, "yunzhuo cloud check", _VOLUME_MIB))

    def is_now(status: VolumeStatus) -> bool:
        return cloud.volumes.get(volume.id).status is status

    try:
        _until(lambda: is_now(VolumeStatus.AVAILABLE), _CHANGE_SECONDS, "made")
        cloud.volumes.attach(volume.id, server_id)
        _until(lambda: is_now(VolumeStatus.IN_USE), _CHANGE_SECONDS, "attached")
        kept = cloud.volumes.snapshot(volume.id, "yunzhuo cloud check")
        _until(lambda: _lets_go(cloud, volume.id, server_id), _CHANGE_SECONDS, "detached")
        cloud.volumes.restore(volume.id, kept.id)
    finally:
        _until(lambda: _lets_go(cloud, volume.id, server_id), _CHANGE_SECONDS, "detached")
        cloud.volumes.delete(volume.id)


def _lend_project(cloud: Cloud, tag: str) -> None:
    """Make a project, limit it to as much as it may have already, and remove it."""
    project = cloud.projects.create(tag, "yunzhuo cloud check")
    try:
        limits = {kind: use.most for kind, use in cloud.projects.quota(project.id).items() if use.most is not None}
        cloud.projects.set_quota(project.id, limits)
    finally:
        cloud.projects.delete(project.id)


def _lets_go(cloud: Cloud, volume_id: str, server_id: str) -> bool:
    try:
        cloud.volumes.detach(volume_id, server_id, force=True)
    except (ServerBusy, Unavailable):
        return False
    return True


def _tried(call: str, ask: Callable[[], object]) -> Tried:
    began = time.monotonic()
    verdict, said, request_id = Verdict.WORKS, "", None
    try:
        ask()
    except CloudNotOffered as error:
        verdict, said = Verdict.NOT_OFFERED, error.message
    except YunzhuoError as error:
        verdict, said = Verdict.FAILS, error.message
        found = error.details.get("cloud_request_id")
        request_id = found if isinstance(found, str) else None
    return Tried(call, verdict, time.monotonic() - began, said, request_id)


def _some(found: Sequence[object], what: str) -> None:
    if not found:
        raise NotFound("nothing_offered", f"There is no {what} that our account can see.")


def _is(server: Server | None, server_id: str) -> None:
    if server is None or server.id != server_id:
        raise NotFound("server_not_found", "The server is not found by its tag.")


def _is_taken(verb: Callable[[], None]) -> bool:
    try:
        verb()
    except ServerBusy:
        return False
    return True


def _until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise Unavailable("too_slow", f"Not {what} within {seconds:.0f} s.")
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
