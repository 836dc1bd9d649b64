"""What each step of an operation does: one look at the cloud or one wish to it, never a wait."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, GuestUnreachable, ServerBusy, ServerNotFound
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import RebootKind, Server, ServerStatus, Snapshot
from yunzhuo.phoenix.common.errors import Inconsistent, Unavailable, YunzhuoError
from yunzhuo.services import address_steps, build_steps, disk_steps
from yunzhuo.services.outcomes import Outcome, ServerFailed, Subject, may_explain, seen, unexplained, why
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Observed, Step

# Whoever gets ready sooner, as most do, costs no look at the network.
_PLUGGED_SECONDS = 20.0
_STARTS = "The system inside is starting."
# Whether its guest is ready is asked often; whether a server that starts has ended, which some clouds take long to say, is not.
_SEEN_SECONDS = 2.0
_UNPLUGGED = "Its network port is down: the cloud's network has not plugged it in."


def perform(step: Step, cloud: Cloud, subject: Subject) -> Outcome:
    """Take one step. Raises the cloud's errors: Refused ends the operation, Broken is tried again.

    A server that could do it, but is still changing, is asked again later; so is, for a few seconds, one that has failed and
    does not say why. While the operation before, which this one replaced, may be inside a call to the cloud, nothing is asked:
    what that call makes must be seen here.
    """
    if subject.predecessor_at_work and step is not Step.LEAVE:
        return Outcome(done=False, detail="Waiting for the change before to end.")
    try:
        return _STEPS[step](cloud, subject)
    except ServerFailed as failure:
        if not may_explain(failure.server, subject):
            raise
        return unexplained(failure.server, subject)
    except ServerBusy:
        server = cloud.servers.get(subject.server_id) if step in _POSSIBLE_IN and subject.server_id else None
        if server is None or server.status not in _POSSIBLE_IN[step]:
            raise
        if step in _WITHOUT_VOLUMES and disk_steps.take_away_unknown(cloud, server.id):
            return Outcome(done=False, detail="A disk that was not known to be there is taken away first.")
        return Outcome(done=False, detail="The virtual machine is still busy with the change before.")


def too_late(step: Step, cloud: Cloud, subject: Subject) -> tuple[str, str]:
    """Code and message of the reason why an operation ends whose time is over in this step, as far as there is one to see."""
    message = lifecycle.TOO_LATE.get(step, "This took too long.")
    if step is Step.READY and _is_unplugged(cloud, subject):
        return "port_down", f"{message} {_UNPLUGGED}"
    return "operation_timed_out", message


def _reserve(_cloud: Cloud, _subject: Subject) -> Outcome:
    return Outcome(done=True)  # was done by the transaction that wrote the operation


def _start(cloud: Cloud, subject: Subject) -> Outcome:
    cloud.servers.start(_server_id(subject), language=subject.language)
    return Outcome(done=True, is_ready=False)


def _stop(cloud: Cloud, subject: Subject) -> Outcome:
    cloud.servers.stop(_server_id(subject))
    return Outcome(done=True, is_ready=False)


def _reboot(cloud: Cloud, subject: Subject) -> Outcome:
    kind = RebootKind(subject.arguments.get("kind", RebootKind.SOFT))
    cloud.servers.reboot(_server_id(subject), kind, language=subject.language)
    return Outcome(done=True, is_ready=False)


def _suspend(cloud: Cloud, subject: Subject) -> Outcome:
    cloud.servers.suspend(_server_id(subject))
    return Outcome(done=True, is_ready=False)


def _resume(cloud: Cloud, subject: Subject) -> Outcome:
    cloud.servers.resume(_server_id(subject))
    return Outcome(done=True, is_ready=False)


def _rebuild(cloud: Cloud, subject: Subject) -> Outcome:
    server_id = _server_id(subject)
    try:
        cloud.servers.rebuild(server_id, subject.image_cloud_id, language=subject.language, user_data=subject.user_data)
    except ServerBusy:
        if cloud.servers.get(server_id).status is not ServerStatus.BUILDING:
            raise
        # It was asked for already, by a worker that died before it could say so.
    return Outcome(done=True, is_ready=False)


def _rebuilt(cloud: Cloud, subject: Subject) -> Outcome:
    server = _unbroken(cloud, subject, "The virtual machine was not put back to the image")
    came = seen(server, done=server.status in _SETTLED)
    # Whether snapshots outlive this differs between clouds.
    return replace(came, snapshots=_snapshots_if_offered(cloud, _server_id(subject))) if came.done else came


def _resize(cloud: Cloud, subject: Subject) -> Outcome:
    server_id = _server_id(subject)
    try:
        cloud.servers.resize(server_id, subject.flavor_cloud_id)
    except ServerBusy:
        if cloud.servers.get(server_id).status is not ServerStatus.BUILDING:
            raise
    return Outcome(done=True, is_ready=False)


def _resized(cloud: Cloud, subject: Subject) -> Outcome:
    server = _unbroken(cloud, subject, "The virtual machine did not get its new size")
    return seen(server, done=server.status in _SETTLED and server.flavor_id == subject.flavor_cloud_id)


def _snapshot(cloud: Cloud, subject: Subject) -> Outcome:
    server_id, name = _server_id(subject), subject.arguments["cloud_name"]
    if all(snapshot.name != name for snapshot in cloud.servers.snapshots(server_id)):
        cloud.servers.snapshot(server_id, name)
    return Outcome(done=True)


def _kept(cloud: Cloud, subject: Subject) -> Outcome:
    snapshots = cloud.servers.snapshots(_server_id(subject))
    is_there = any(snapshot.name == subject.arguments["cloud_name"] for snapshot in snapshots)
    return Outcome(done=is_there, snapshots=snapshots if is_there else None)


def _roll_back(cloud: Cloud, subject: Subject) -> Outcome:
    cloud.servers.roll_back(_server_id(subject), subject.arguments["cloud_id"])
    return Outcome(done=True, is_ready=False)


def _rolled_back(cloud: Cloud, subject: Subject) -> Outcome:
    server = _unbroken(cloud, subject, "The virtual machine did not return to the snapshot")
    return seen(server, done=server.status == subject.arguments["ends"])


def _drop_snapshot(cloud: Cloud, subject: Subject) -> Outcome:
    cloud.servers.delete_snapshot(_server_id(subject), subject.arguments["cloud_id"])
    return Outcome(done=True)


def _dropped(cloud: Cloud, subject: Subject) -> Outcome:
    snapshots = cloud.servers.snapshots(_server_id(subject))
    is_there = any(snapshot.id == subject.arguments["cloud_id"] for snapshot in snapshots)
    return Outcome(done=not is_there, snapshots=None if is_there else snapshots)


def _running(cloud: Cloud, subject: Subject) -> Outcome:
    server = cloud.servers.get(_server_id(subject))
    # What was broken before is said to be so until it is whole again; what is built is another server.
    was_broken = subject.build is None and subject.arguments.get("from") == Observed.ERROR
    if may_explain(server, subject) and not was_broken:
        return unexplained(server, subject)
    if subject.build is not None and (came := build_steps.judged(cloud, subject.build, server)) is not None:
        return came
    has_failed = server.status is ServerStatus.ERROR or (server.status is ServerStatus.STOPPED and server.fault)
    if has_failed and not was_broken:
        raise ServerFailed("server_failed", f"The virtual machine did not start: {why(server)}", server)
    return seen(server, done=server.status is ServerStatus.RUNNING)


def _ready(cloud: Cloud, subject: Subject) -> Outcome:
    try:
        is_ready = cloud.guest.ready(_server_id(subject))
    except GuestUnreachable:
        is_ready = False
    if is_ready:
        return Outcome(done=True, is_ready=True)
    is_seen = subject.running_seconds is not None and subject.running_seconds < _SEEN_SECONDS
    if is_seen and subject.waited_seconds < _PLUGGED_SECONDS:
        return Outcome(done=False, detail=_STARTS)
    server = cloud.servers.get(_server_id(subject))
    if server.status is not ServerStatus.RUNNING:
        raise ServerFailed("server_ended", f"The virtual machine ended while it started: {why(server)}.", server)
    is_unplugged = subject.waited_seconds >= _PLUGGED_SECONDS and _is_unplugged(cloud, subject)
    return seen(server, done=False, detail=_UNPLUGGED if is_unplugged else _STARTS)


def _stopped(cloud: Cloud, subject: Subject) -> Outcome:
    server = cloud.servers.get(_server_id(subject))
    return seen(server, done=server.status is ServerStatus.STOPPED, detail="Waiting for the system inside to shut down.")


def _suspended(cloud: Cloud, subject: Subject) -> Outcome:
    server = cloud.servers.get(_server_id(subject))
    if server.status in (ServerStatus.ERROR, ServerStatus.STOPPED):
        raise ServerFailed("server_failed", f"The virtual machine was not suspended: {why(server)}", server)
    return seen(server, done=server.status is ServerStatus.SUSPENDED, detail="Its memory is being put to disk.")


def _settle(_cloud: Cloud, _subject: Subject) -> Outcome:
    return Outcome(done=True)  # no step is taken before that (see :func:`perform`)


def _remove(cloud: Cloud, subject: Subject) -> Outcome:
    server_id = subject.server_id
    if server_id is None:
        server = cloud.servers.find(subject.desktop_id, subject.project_id)
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
    return seen(server, done=False)


def _leave(cloud: Cloud, subject: Subject) -> Outcome:
    """Let go of everything at once: what is still there then carries our tag, and the reconciler removes it."""
    left = ["What the change before is still making."] if subject.predecessor_at_work else []
    server_id = subject.server_id
    try:
        server = cloud.servers.find(subject.desktop_id, subject.project_id)
        server_id = server.id if server else server_id
        if server_id is not None:
            cloud.servers.delete(server_id)
            cloud.servers.get(server_id)
            left.append(f"The virtual machine {server_id}, which is still being removed.")
    except ServerNotFound:
        pass
    except Unavailable as error:
        left.append(f"The virtual machine {server_id or 'if there is one'}: {error.message}")
    return Outcome(done=True, is_ready=False, detail=f"Left behind: {' '.join(left)}" if left else "Nothing was left behind.")


def _unbroken(cloud: Cloud, subject: Subject, otherwise: str) -> Server:
    server = cloud.servers.get(_server_id(subject))
    if server.status is ServerStatus.ERROR and subject.arguments.get("from") != Observed.ERROR:
        raise ServerFailed("server_failed", f"{otherwise}: {why(server)}", server)
    return server


def _is_unplugged(cloud: Cloud, subject: Subject) -> bool:
    """Whether the network says that nothing goes through the server's port; not where it cannot be asked."""
    with suppress(YunzhuoError):  # what explains an end must never keep it from coming
        return any(not port.is_up for port in cloud.networks.ports(_server_id(subject)))
    return False


def _snapshots_if_offered(cloud: Cloud, server_id: str) -> Sequence[Snapshot]:
    try:
        return cloud.servers.snapshots(server_id)
    except CloudNotOffered:
        return ()


def _server_id(subject: Subject) -> str:
    if subject.server_id is None:
        raise Inconsistent("no_server", "This desktop has no virtual machine.")
    return subject.server_id


def _disk(work: disk_steps.Work) -> Callable[[Cloud, Subject], Outcome]:
    def take(cloud: Cloud, subject: Subject) -> Outcome:
        if subject.disk is None:
            return Outcome(done=True, detail=disk_steps.NOTHING_TO_DO[work])
        came = work(cloud, subject.disk, subject.server_id, subject.arguments)
        return Outcome(done=came.done, detail=came.detail, disk_is_attached=came.is_attached)

    return take


def _address(work: address_steps.Work) -> Callable[[Cloud, Subject], Outcome]:
    def take(cloud: Cloud, subject: Subject) -> Outcome:
        if subject.address is None:
            return Outcome(done=True)
        came = work(cloud, subject.address, subject.server_id)
        return Outcome(done=True, detail=came.detail, address=came)

    return take


_STEPS: Mapping[Step, Callable[[Cloud, Subject], Outcome]] = {
    Step.RESERVE: _reserve,
    Step.SERVER: build_steps.make,
    Step.START: _start,
    Step.STOP: _stop,
    Step.REBOOT: _reboot,
    Step.SUSPEND: _suspend,
    Step.RESUME: _resume,
    Step.REBUILD: _rebuild,
    Step.RESIZE: _resize,
    Step.SNAPSHOT: _snapshot,
    Step.ROLL_BACK: _roll_back,
    Step.DROP_SNAPSHOT: _drop_snapshot,
    Step.RUNNING: _running,
    Step.READY: _ready,
    Step.STOPPED: _stopped,
    Step.SUSPENDED: _suspended,
    Step.REBUILT: _rebuilt,
    Step.RESIZED: _resized,
    Step.KEPT: _kept,
    Step.ROLLED_BACK: _rolled_back,
    Step.DROPPED: _dropped,
    Step.FETCH_DISK: _disk(disk_steps.fetch),
    Step.CONNECT_DISK: _disk(disk_steps.connect),
    Step.DISCONNECT_DISK: _disk(disk_steps.disconnect),
    Step.RESTORE_DISK: _disk(disk_steps.restore),
    Step.MAKE_ADDRESS: _address(address_steps.make),
    Step.CONNECT_ADDRESS: _address(address_steps.connect),
    Step.RELEASE_ADDRESS: _address(address_steps.release),
    Step.SETTLE: _settle,
    Step.REMOVE: _remove,
    Step.GONE: _gone,
    Step.LEAVE: _leave,
    Step.GIVE_UP: build_steps.give_up,
    Step.GIVEN_UP: build_steps.await_end,
}

# Where a server is whose disk or size was being changed, and which is not any more: as it was before, whatever was believed of
# that when it was asked for. What is believed would be waited for in vain.
_SETTLED = frozenset({ServerStatus.RUNNING, ServerStatus.STOPPED})

# In which statuses a server does what the step asks for: when it is refused there, then because it is still changing.
_POSSIBLE_IN: Mapping[Step, frozenset[ServerStatus]] = {
    Step.START: frozenset({ServerStatus.STOPPED}),
    Step.STOP: frozenset({ServerStatus.RUNNING}),
    Step.REBOOT: frozenset({ServerStatus.RUNNING}),
    Step.SUSPEND: frozenset({ServerStatus.RUNNING}),
    Step.RESUME: frozenset({ServerStatus.SUSPENDED}),
    Step.REBUILD: frozenset({ServerStatus.RUNNING, ServerStatus.STOPPED}),
    Step.RESIZE: frozenset({ServerStatus.RUNNING, ServerStatus.STOPPED}),
    Step.SNAPSHOT: frozenset({ServerStatus.RUNNING, ServerStatus.STOPPED}),
    Step.ROLL_BACK: frozenset({ServerStatus.RUNNING, ServerStatus.STOPPED}),
    Step.CONNECT_DISK: frozenset({ServerStatus.RUNNING}),
    Step.CONNECT_ADDRESS: frozenset({ServerStatus.RUNNING, ServerStatus.STOPPED, ServerStatus.SUSPENDED}),
    Step.DISCONNECT_DISK: frozenset({ServerStatus.RUNNING, ServerStatus.STOPPED}),
}

# Of a server with a volume these are refused for as long as it has it. Whose disk was known to be there gave it back in a step
# before; one that came by a call whose answer was lost nobody takes away while the desktop is changing.
_WITHOUT_VOLUMES = frozenset({Step.SUSPEND, Step.SNAPSHOT, Step.ROLL_BACK})
