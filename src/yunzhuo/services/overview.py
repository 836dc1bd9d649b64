"""What an administrator looks at first: what is broken now, what room there is, what is in force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Host, Server
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import YunzhuoError
from yunzhuo.phoenix.config import reference
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.db.models import ConsoleSession, Desktop, Operation, Schedule, User
from yunzhuo.phoenix.db.session import Database
from yunzhuo.services.access import Actor, scope_of
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.desktop_views import DesktopView, desktop_views
from yunzhuo.services.health import HealthService
from yunzhuo.services.notice_book import NoticeBook
from yunzhuo.services.rules import lifecycle, schedules
from yunzhuo.services.rules.lifecycle import Observed, OperationStatus, State
from yunzhuo.services.stated import needs
from yunzhuo.services.timer_beats import TimerService

MAX_SHOWN = 100
_LOOKED_AT = (Observed.MISSING, Observed.ERROR, Observed.UNKNOWN)


@dataclass(frozen=True, slots=True)
class HostView:
    """A hypervisor, what is left on it and what is wrong with it; sizes in MiB, ``disk_mib`` 0 where nobody knows.

    ``room_for`` is how many desktops of the smallest size still fit by memory.
    """

    id: str
    name: str
    accelerator: str
    vcpus: int
    memory_mib: int
    memory_free_mib: int
    disk_mib: int
    disk_free_mib: int
    servers: int
    room_for: int
    problems: Sequence[str]
    is_enabled: bool = True
    is_up: bool = True
    is_forced_down: bool = False
    zone: str = ""
    aggregates: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Stranger:
    """A server in the cloud with a tag of our kind and no desktop of ours; never touched."""

    server_id: str
    name: str
    desktop_id: str
    host: str


@dataclass(frozen=True, slots=True)
class SettingView:
    """One setting in force. ``is_default``: nobody gave another value."""

    name: str
    value: object
    help: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """How many there are of what in the organization."""

    desktops: int
    running: int
    people: int
    sessions_open: int


@dataclass(frozen=True, slots=True)
class Overview:
    """What is broken now. Each list is bounded; ``not_ready`` is what ``/readyz`` says, by part; ``lacks`` are why no new
    desktop can be made, although the rest works, by code.

    ``failed`` are desktops whose latest operation failed, ``faulty`` those in error without one, ``gone`` those whose
    server the cloud no longer has. ``cloud_problem``: why hosts and strangers are not known. ``late_timers`` and
    ``late_schedules`` name those that have been due for too long.
    """

    figures: Figures
    not_ready: Mapping[str, str]
    lacks: Mapping[str, str]
    failed: Sequence[DesktopView]
    faulty: Sequence[DesktopView]
    gone: Sequence[DesktopView]
    strangers: Sequence[Stranger]
    hosts: Sequence[HostView]
    cloud_problem: YunzhuoError | None
    late_timers: Sequence[str]
    late_schedules: Sequence[str]

    @property
    def troubled_hosts(self) -> Sequence[HostView]:
        """Hosts that say that something is wrong with them."""
        return [host for host in self.hosts if host.problems]

    @property
    def is_well(self) -> bool:
        """Whether nothing is broken."""
        broken = (self.not_ready, self.failed, self.faulty, self.gone, self.strangers, self.troubled_hosts, self.late_timers)
        return self.cloud_problem is None and not any((*broken, self.late_schedules, self.lacks))


class OverviewService:
    """Looks at everything once, for administrators. The cloud is asked outside any transaction."""

    def __init__(
        self,
        db: Database,
        cloud: Cloud,
        health: HealthService,
        timers: TimerService,
        notices: NoticeBook,
        audit: AuditLog,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._db = db
        self._audit = audit
        self._cloud = cloud
        self._health = health
        self._timers = timers
        self._notices = notices
        self._clock = clock
        self._settings = settings

    @needs("overview:read")
    def look(self, actor: Actor) -> Overview:
        """What is broken now. A cloud that does not answer is part of the answer.

        Hosts and servers that nobody knows belong to no organization: only those who may see hosts are told of them.
        """
        hosts: Sequence[Host] = ()
        servers: Sequence[Server] = ()
        cloud_problem = None
        smallest_mib = 0
        try:
            if scope_of(actor, "host:read") is not None:
                hosts, servers = self._cloud.hosts.list(), self._cloud.servers.list()
                smallest_mib = self._smallest_mib()
        except YunzhuoError as error:
            cloud_problem = error
        not_ready = self._health.missing()
        lacks = {} if "cloud" in not_ready else self._health.lacks()
        with self._db.reading() as tx:
            troubled = _troubled(tx, actor)
            strangers = _strangers(tx, servers)
            figures = _figures(tx, actor.organization_id)
            late_schedules = _late_schedules(tx, actor.organization_id, self._clock.now())
        gone = [view for view, observed in troubled if observed == Observed.MISSING]
        present = [view for view, observed in troubled if observed != Observed.MISSING]
        failed = [view for view in present if view.failure]
        faulty = [view for view in present if view.state is State.ERROR and not view.failure]
        views = [_host_view(host, smallest_mib) for host in hosts]
        late_timers = self._timers.late() if scope_of(actor, "timer:read") is not None else []
        return Overview(
            figures=figures,
            not_ready=not_ready,
            lacks=lacks,
            failed=failed,
            faulty=faulty,
            gone=gone,
            strangers=strangers,
            hosts=views,
            cloud_problem=cloud_problem,
            late_timers=late_timers,
            late_schedules=late_schedules,
        )

    @needs("host:read")
    def hosts(self, actor: Actor) -> Sequence[HostView]:
        """All hosts with what is left on them. Raises the cloud's errors when it does not answer."""
        smallest_mib = self._smallest_mib()
        return [_host_view(host, smallest_mib) for host in self._cloud.hosts.list()]

    @needs("host:read")
    def counts(self, actor: Actor) -> Mapping[str, int]:
        """How many there are of what in the whole installation, for its metrics."""
        return {**self._health.figures(), "timers_late": len(self._timers.late()), **self._notices.figures()}

    @needs("overview:read")
    def catalog_use(self, actor: Actor) -> Mapping[str, int]:
        """How many desktops of the organization were made from each image and flavor, by its id."""
        there = (Desktop.organization_id == actor.organization_id, Desktop.deleted_at.is_(None))
        counts: dict[str, int] = {}
        with self._db.reading() as tx:
            for column in (Desktop.image_id, Desktop.flavor_id):
                query = select(column, func.count()).where(*there).group_by(column)
                counts |= {row[0]: row[1] for row in tx.execute(query)}
        return counts

    @needs("settings:read")
    def settings(self, actor: Actor) -> Sequence[SettingView]:
        """The settings in force, passwords masked."""
        known = reference.all_settings()
        values = reference.shown(self._settings)
        return [SettingView(name, value, known[name].help, value == known[name].default) for name, value in values.items()]

    def _smallest_mib(self) -> int:
        return min((flavor.memory_mib for flavor in self._cloud.flavors.list()), default=0)


def _troubled(tx: Session, actor: Actor) -> Sequence[tuple[DesktopView, str | None]]:
    """Desktops that may need somebody and what was observed of them, the latest trouble first."""
    query = (
        select(Desktop, Operation)
        .join(Operation, Operation.id == Desktop.operation_id)
        .where(Desktop.organization_id == actor.organization_id, Desktop.deleted_at.is_(None))
        .where(Operation.status.not_in([status.value for status in lifecycle.ACTIVE]))
        .where(
            or_(
                Operation.status == OperationStatus.FAILED,
                Desktop.observed_status.in_(_LOOKED_AT),
                (Desktop.observed_status == Observed.RUNNING) & Desktop.ready_at.is_(None),
            )
        )
        .order_by(Operation.ended_at.desc(), Desktop.id)
        .limit(MAX_SHOWN)
    )
    pairs = [(desktop, operation) for desktop, operation in tx.execute(query)]
    observed = [desktop.observed_status for desktop, _ in pairs]
    return list(zip(desktop_views(tx, actor, pairs), observed, strict=True))


def _strangers(tx: Session, servers: Sequence[Server]) -> Sequence[Stranger]:
    tags = {server.desktop_id for server in servers}
    known = set(tx.scalars(select(Desktop.id).where(Desktop.id.in_(tags))))
    return [
        Stranger(server.id, server.name, server.desktop_id, server.host) for server in servers if server.desktop_id not in known
    ][:MAX_SHOWN]


def _figures(tx: Session, organization_id: str) -> Figures:
    there = (Desktop.organization_id == organization_id, Desktop.deleted_at.is_(None))
    running = select(func.count()).where(*there, Desktop.observed_status == Observed.RUNNING)
    people = select(func.count()).where(User.organization_id == organization_id, User.deleted_at.is_(None))
    sessions = select(func.count()).where(ConsoleSession.organization_id == organization_id, ConsoleSession.ended_at.is_(None))
    return Figures(
        desktops=tx.scalar(select(func.count()).where(*there)) or 0,
        running=tx.scalar(running) or 0,
        people=tx.scalar(people) or 0,
        sessions_open=tx.scalar(sessions) or 0,
    )


def _host_view(host: Host, smallest_mib: int) -> HostView:
    return HostView(
        id=host.id,
        name=host.name,
        accelerator=host.accelerator,
        vcpus=host.vcpus,
        memory_mib=host.memory_mib,
        memory_free_mib=host.memory_free_mib,
        disk_mib=host.disk_mib,
        disk_free_mib=host.disk_free_mib,
        servers=host.servers,
        room_for=host.memory_free_mib // smallest_mib if smallest_mib else 0,
        problems=host.problems,
        is_enabled=host.is_enabled,
        is_up=host.is_up,
        is_forced_down=host.is_forced_down,
        zone=host.zone,
        aggregates=host.aggregates,
    )


def _late_schedules(tx: Session, organization_id: str, now: datetime) -> Sequence[str]:
    """Names of the organization's schedules that have been due for too long, the longest first."""
    query = select(Schedule.name).where(
        Schedule.organization_id == organization_id, Schedule.next_at < now - schedules.ALARM_AFTER
    )
    return list(tx.scalars(query.order_by(Schedule.next_at).limit(MAX_SHOWN)))
