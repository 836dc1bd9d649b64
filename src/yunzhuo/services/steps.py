"""What each step of an operation does: one look at the cloud or one wish to it, never a wait."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from yunzhuo.phoenix.cloud.errors import GuestUnreachable, ServerNotFound
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import RebootKind, Server, ServerRequest, ServerStatus
from yunzhuo.phoenix.common.errors import Inconsistent
from yunzhuo.services.rules.lifecycle import Observed, Step


@dataclass(frozen=True, slots=True)
class Subject:
    """The desktop a step works on, as it stood when the step was claimed."""

    desktop_id: str
    name: str
    hostname: str
    image_cloud_id: str
    flavor_cloud_id: str
    server_id: str | None
    arguments: Mapping[str, str]
    predecessor_at_work: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step. ``done`` False: look again later. What was observed on the way is written down too."""

    done: bool
    server_id: str | None = None
    observed: Observed | None = None
    fault: str | None = None
    observed_at: datetime | None = None
    is_ready: bool | None = None
    detail: str | None = None


def perform(step: Step, cloud: Cloud, subject: Subject) -> Outcome:
    """Take one step. Raises the cloud's errors: Refused ends the operation, Broken is tried again."""
    return _STEPS[step](cloud, subject)


def _reserve(_cloud: Cloud, _subject: Subject) -> Outcome:
    return Outcome(done=True)  # was done by the transaction that wrote the operation


def _server(cloud: Cloud, subject: Subject) -> Outcome:
    failed = cloud.servers.find(subject.desktop_id)
    if failed is not None and failed.status is ServerStatus.ERROR:
        # What an earlier try left broken never becomes whole: it makes room for a new one.
        cloud.servers.delete(failed.id)
        return Outcome(done=False, detail="Removing what failed before.")
    server = cloud.servers.create(
        ServerRequest(
            desktop_id=subject.desktop_id,
            name=subject.name,
            hostname=subject.hostname,
            image_id=subject.image_cloud_id,
            flavor_id=subject.flavor_cloud_id,
        )
    )
    return _seen(server, done=True)


def _start(cloud: Cloud, subject: Subject) -> Outcome:
    cloud.servers.start(_server_id(subject))
    return Outcome(done=True, is_ready=False)


def _stop(cloud: Cloud, subject: Subject) -> Outcome:
    cloud.servers.stop(_server_id(subject))
    return Outcome(done=True, is_ready=False)


def _reboot(cloud: Cloud, subject: Subject) -> Outcome:
    cloud.servers.reboot(_server_id(subject), RebootKind(subject.arguments.get("kind", RebootKind.SOFT)))
    return Outcome(done=True, is_ready=False)


def _running(cloud: Cloud, subject: Subject) -> Outcome:
    server = cloud.servers.get(_server_id(subject))
    if server.status in (ServerStatus.ERROR, ServerStatus.STOPPED) and server.fault:
        raise Inconsistent("server_failed", f"The virtual machine did not start: {server.fault}")
    return _seen(server, done=server.status is ServerStatus.RUNNING)


def _ready(cloud: Cloud, subject: Subject) -> Outcome:
    try:
        is_ready = cloud.guest.ready(_server_id(subject))
    except GuestUnreachable:
        is_ready = False
    if is_ready:
        return Outcome(done=True, is_ready=True)
    server = cloud.servers.get(_server_id(subject))
    if server.status is not ServerStatus.RUNNING:
        raise Inconsistent("server_ended", f"The virtual machine ended while it started: {server.fault or server.status}.")
    return _seen(server, done=False, detail="The system inside is starting.")


def _stopped(cloud: Cloud, subject: Subject) -> Outcome:
    server = cloud.servers.get(_server_id(subject))
    return _seen(server, done=server.status is ServerStatus.STOPPED, detail="Waiting for the system inside to shut down.")


def _settle(_cloud: Cloud, subject: Subject) -> Outcome:
    # The operation that this one superseded may be inside a call to the cloud: what that call makes must be seen here.
    if subject.predecessor_at_work:
        return Outcome(done=False, detail="Waiting for the change before to end.")
    return Outcome(done=True)


def _remove(cloud: Cloud, subject: Subject) -> Outcome:
    server_id = subject.server_id
    if server_id is None:
        server = cloud.servers.find(subject.desktop_id)
        server_id = server.id if server else None
    if server_id is not None:
        cloud.servers.delete(server_id)
    return Outcome(done=True, server_id=server_id, is_ready=False)


def _gone(cloud: Cloud, subject: Subject) -> Outcome:
    if subject.server_id is None:
        return Outcome(done=True)
    try:
        server = cloud.servers.get(subject.server_id)
    except ServerNotFound:
        return Outcome(done=True)
    return _seen(server, done=False)


def _server_id(subject: Subject) -> str:
    if subject.server_id is None:
        raise Inconsistent("no_server", "This desktop has no virtual machine.")
    return subject.server_id


def _seen(server: Server, *, done: bool, detail: str | None = None) -> Outcome:
    return Outcome(
        done=done,
        server_id=server.id,
        observed=Observed(server.status),
        fault=server.fault,
        observed_at=server.observed_at,
        detail=None if done else detail,
    )


_STEPS: Mapping[Step, Callable[[Cloud, Subject], Outcome]] = {
    Step.RESERVE: _reserve,
    Step.SERVER: _server,
    Step.START: _start,
    Step.STOP: _stop,
    Step.REBOOT: _reboot,
    Step.RUNNING: _running,
    Step.READY: _ready,
    Step.STOPPED: _stopped,
    Step.SETTLE: _settle,
    Step.REMOVE: _remove,
    Step.GONE: _gone,
}
