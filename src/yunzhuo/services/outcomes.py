"""What a step of an operation is about, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from yunzhuo.phoenix.cloud.resources import Server, ServerStatus, Snapshot
from yunzhuo.phoenix.common.errors import Inconsistent
from yunzhuo.services.address_claims import AddressOutcome, ClaimedAddress
from yunzhuo.services.build_tries import BuildTry, Lost
from yunzhuo.services.disk_claims import ClaimedDisk
from yunzhuo.services.rules.lifecycle import Observed
from yunzhuo.services.rules.pacing import check_boot_delay_seconds, check_delay_seconds

# Nova writes a server's fault after its status: within a second, or a few where it is busy.
_REASON_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Subject:
    """The desktop a step works on, as it stood when the step was claimed.

    Image and flavor are those that the operation leads to, the language is what its person reads now; ``user_data`` is what the
    step tells the server's first boot. ``build`` is the try that it belongs to, where a server is made.
    ``waited_seconds`` is how long this step takes so far, ``running_seconds`` how long ago its server was seen to run
    (None: what was seen last is something else), ``broken_seconds`` how long it is known to be in ERROR without a reason
    (None: it is not).
    """

    desktop_id: str
    name: str
    hostname: str
    image_cloud_id: str
    flavor_cloud_id: str
    server_id: str | None
    arguments: Mapping[str, str]
    predecessor_at_work: bool
    project_id: str | None = None
    disk: ClaimedDisk | None = None
    address: ClaimedAddress | None = None
    language: str | None = None
    user_data: str | None = field(default=None, repr=False)
    build: BuildTry | None = None
    waited_seconds: float = 0.0
    running_seconds: float | None = None
    broken_seconds: float | None = None

    @property
    def waits_for_another(self) -> bool:
        """Whether the step can do nothing before another desktop's operation has ended."""
        return self.disk is not None and self.disk.is_waiting

    def look_again_seconds(self, waited: float, *, is_told: bool = False, usual_boot: float | None = None) -> float:
        """How long until the next look at what the step waits for, ``waited`` seconds into it.

        ``is_told``: the cloud says when there is something to see. ``usual_boot``: a system starts, and takes so many seconds.
        """
        if usual_boot is not None:
            return check_boot_delay_seconds(waited, usual_boot)
        return check_delay_seconds(waited, of_another=self.waits_for_another, is_told=is_told)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step. ``done`` False: look again later. What was observed on the way is written down too.

    ``lost``: the server is given up, and made anew. ``awaits_reason``: it has failed, and why may be said in a moment.
    """

    done: bool
    server_id: str | None = None
    observed: Observed | None = None
    fault: str | None = None
    fault_code: str | None = None
    observed_at: datetime | None = None
    is_ready: bool | None = None
    detail: str | None = None
    snapshots: Sequence[Snapshot] | None = None
    disk_is_attached: bool = False
    address: AddressOutcome | None = None
    server_name: str | None = None
    host: str | None = None
    cloud_request_id: str | None = None
    lost: Lost | None = None
    awaits_reason: bool = False


class ServerFailed(Inconsistent):
    """The server is not what its operation should have made of it. ``server`` and ``seen`` are how it was found."""

    def __init__(self, code: str, message: str, server: Server, **details: object) -> None:
        super().__init__(code, message, **details)
        self.server = server
        self.seen = seen(server, done=False)


def seen(server: Server, *, done: bool, detail: str | None = None) -> Outcome:
    """What a look at the server, or the making of it, tells."""
    return Outcome(
        done=done,
        server_id=server.id,
        server_name=server.name,
        host=server.host or None,
        observed=Observed(server.status),
        fault=server.fault,
        fault_code=server.fault_code,
        observed_at=server.observed_at,
        detail=None if done else detail,
        cloud_request_id=server.request_id,
    )


def may_explain(server: Server, subject: Subject) -> bool:
    """Whether the cloud calls the server broken without a reason, and may still say it."""
    is_unexplained = server.status is ServerStatus.ERROR and not server.fault
    return is_unexplained and (subject.broken_seconds or 0.0) < _REASON_SECONDS


def unexplained(server: Server, subject: Subject) -> Outcome:
    """What a look at such a server tells. Since when it is known to be broken is written down by the first look alone."""
    known = Outcome(done=False) if subject.broken_seconds is not None else seen(server, done=False)
    return replace(known, detail="The virtual machine failed, and the cloud has not said why yet.", awaits_reason=True)


def why(server: Server) -> str:
    """The cloud's reason for what became of the server, or that it gives none."""
    if server.status is ServerStatus.ERROR:
        return server.fault or "the cloud does not say why"
    return server.fault or server.status
