"""The tries of a create: a server that its host does not make in time, or breaks while it makes it, is given up and made anew
on another host.

Which hosts had it stands in the steps that failed, its servers among those that have departed; how many tries there were
is told by how far the plan has grown (``rules.lifecycle.build_try``). So a worker that dies loses nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Server, ServerStatus
from yunzhuo.phoenix.config.settings import OperationSettings
from yunzhuo.phoenix.db.models import DepartedServer, Desktop, Operation, OperationStep
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.services import departures
from yunzhuo.services.rules.lifecycle import ANEW, Action, OperationStatus, Step, build_try

_STEPS = frozenset(ANEW)


@dataclass(frozen=True, slots=True)
class BuildTry:
    """The try that a step of a create belongs to, one of at most ``most``; ``waited_seconds`` in this step so far.

    ``host`` is where the present server was seen (None: not told), ``avoid_hosts`` where those before were, ``given_up`` are
    these, the latest last. ``is_unasked``: nothing has ever been asked of the cloud for this desktop, so nothing can be there.
    """

    number: int
    most: int
    waited_seconds: float
    build_seconds: float
    host: str | None = None
    avoid_hosts: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    is_unasked: bool = False

    @property
    def is_late(self) -> bool:
        """Whether a server that is being built all this time has had its time."""
        return self.waited_seconds >= self.build_seconds


@dataclass(frozen=True, slots=True)
class Lost:
    """A server that is not waited for any more: why, for a person, and where it was."""

    why: str
    host: str | None


def begin(
    tx: Session,
    desktop: Desktop,
    operation: Operation,
    step: OperationStep,
    now: datetime,
    settings: OperationSettings,
    *,
    is_begun: bool,
) -> BuildTry | None:
    """The try that a step belongs to; None: nothing is built in it. ``is_begun``: somebody took this step before."""
    if operation.action != Action.CREATE or step.name not in _STEPS:
        return None
    number = build_try(operation.position)
    hosts: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    is_again = "wanted_before" in operation.arguments  # and may follow a create that gave servers up
    if number > 1 or step.name == Step.GIVEN_UP or is_again:
        mine = select(OperationStep.host).where(OperationStep.operation_id == operation.id, OperationStep.host.is_not(None))
        hosts = tuple(host for host in tx.scalars(mine.order_by(OperationStep.position)) if host)
        had = select(DepartedServer).where(DepartedServer.desktop_id == desktop.id).order_by(DepartedServer.departed_at)
        given_up = tuple(server.server_id for server in tx.scalars(had) if server.server_id != desktop.server_id)
    return BuildTry(
        number=number,
        most=settings.build_tries,
        waited_seconds=(now - (step.started_at or now)).total_seconds(),
        build_seconds=settings.build_seconds,
        host=desktop.host,
        avoid_hosts=hosts,
        given_up=given_up,
        is_unasked=step.name == Step.SERVER and number == 1 and not (is_begun or is_again),
    )


def judge(cloud: Cloud, build: BuildTry, server: Server) -> Lost | None:
    """Whether a server that is not made is to be made anew elsewhere; None: it may still be made here, or nowhere.

    What broke before any host had it breaks everywhere. Where the cloud has tried others by itself (a host that has not
    told), only what hangs is made anew. What hangs and has no host any more was given back by the one that had it, and got lost
    on the way to the next: no host is to blame, so the same one may get it again.
    """
    host = server.host or build.host
    if server.status is ServerStatus.ERROR and host:
        why = f"Its host could not make the virtual machine: {server.fault or 'it does not say why'}"
    elif server.status is ServerStatus.BUILDING and build.is_late and (server.host or not build.host):
        why = f"Its host did not make the virtual machine within {build.build_seconds:.0f} s."
    elif server.status is ServerStatus.BUILDING and build.is_late:
        host, why = None, f"No host had the virtual machine any more after {build.build_seconds:.0f} s."
    else:
        return None
    if build.number >= build.most or not _is_elsewhere(cloud, (*build.avoid_hosts, *([host] if host else []))):
        return None
    return Lost(why, host)


def is_hopeless(build: BuildTry, server: Server) -> bool:
    """Whether what :func:`judge` makes no other try for has had its time. The only host of its kind has the operation's."""
    return server.status is ServerStatus.BUILDING and build.is_late and build.number > 1


def tried(build: BuildTry) -> str:
    """After a reason: on how many hosts that was."""
    return f" (tried {build.number} times, each time on another host where there was one)" if build.number > 1 else ""


def give_up(tx: Transaction, operation: Operation, step: OperationStep, lost: Lost, now: datetime) -> None:
    """Write down that a host has failed, and put before what is still to come that the server is made anew."""
    step.status, step.ended_at = OperationStatus.FAILED, now
    step.detail, step.host = lost.why[:1000], lost.host
    step.cloud_request_id = request_id(tx, operation.id)
    later = select(OperationStep).where(OperationStep.operation_id == operation.id, OperationStep.position > step.position)
    for each in list(tx.scalars(later.order_by(OperationStep.position.desc()))):
        each.position += len(ANEW)
        tx.flush()  # no two at one place, at any moment: the last goes first
    tx.add_all(
        OperationStep(operation_id=operation.id, position=position, name=name, status=OperationStatus.QUEUED)
        for position, name in enumerate(ANEW, step.position + 1)
    )


def settle(tx: Transaction, desktop: Desktop, operation: Operation, step: Step, now: datetime) -> None:
    """The cloud has taken the word that a server is not wanted any more: the desktop has none."""
    if step is Step.GIVE_UP:
        departures.note(tx, desktop, now)
        desktop.server_id = desktop.server_name = desktop.host = operation.host = None


def request_id(tx: Session, operation_id: str) -> str | None:
    """The cloud's id of the request by which the latest server was asked for."""
    asked = select(OperationStep.cloud_request_id).where(
        OperationStep.operation_id == operation_id,
        OperationStep.name == Step.SERVER,
        OperationStep.cloud_request_id.is_not(None),
    )
    return tx.scalar(asked.order_by(OperationStep.position.desc()).limit(1))


def _is_elsewhere(cloud: Cloud, failed: Collection[str]) -> bool:
    """Whether the cloud has, or may have, a host of that kind that has not failed yet."""
    hosts = cloud.hosts.list()
    kinds = {host.kind for host in hosts if host.id in failed}
    left = [host for host in hosts if host.takes_servers and host.id not in failed and (not kinds or host.kind in kinds)]
    return bool(left) or not hosts
