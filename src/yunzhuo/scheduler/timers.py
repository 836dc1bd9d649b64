"""The scheduler process: what has to happen in time, whether or not a message came.

Each timer has a thread of its own, so that a slow cloud never delays the look for operations that are due. Several
schedulers at once are harmless.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from yunzhuo.phoenix.common import lifeline
from yunzhuo.phoenix.common.clock import Clock, SystemClock
from yunzhuo.phoenix.common.errors import YunzhuoError
from yunzhuo.phoenix.common.logging import configure, get_logger
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.health import HealthService
from yunzhuo.services.operations import OperationEngine
from yunzhuo.services.timer_beats import Beat

log = get_logger()

DUE_SECONDS = 0.25
# For the pace of starts, and for whoever died between an end and the look for who is next.
ADMISSION_SECONDS = 0.25
# A message takes some 20 ms; what is overdue for longer than this had none, or lost it.
GRACE = timedelta(seconds=0.5)
# How long until the same operation is woken again: longer each time, for when no worker runs.
WAKE_AGAIN_FIRST_SECONDS = 3.0
WAKE_AGAIN_LONGEST_SECONDS = 60.0
# While workers do not keep up: what has been overdue for so long is woken all the same, and again only after this long.
LATE_SECONDS = 60.0
LATE_AGAIN_SECONDS = 300.0
# How old the knowledge of the queue's length may be.
BACKLOG_SECONDS = 0.5
QUEUE_SECONDS = 5.0
NOTICES_SECONDS = 0.02
CATALOG_SECONDS = 5.0
AUDIT_SECONDS = 2.0
USAGE_SECONDS = 60.0
LICENSE_SECONDS = 60.0
DISKS_SECONDS = 5.0
# How soon what was taken of a pool's spares is built again.
POOLS_SECONDS = 1.0
# How late in its five minutes what pools do is written down at most.
POOL_SAMPLES_SECONDS = 30.0
# How late a schedule is at most when all is well.
SCHEDULES_SECONDS = 1.0
WARNINGS_SECONDS = 10.0
IDLE_SECONDS = 15.0
BEATS_SECONDS = 5.0
LEASES_SECONDS = 10.0
MAIL_SECONDS = 10.0
GUESSES_SECONDS = 60.0
SCREENS_SECONDS = 10.0
PROJECTS_SECONDS = 5.0
PROJECT_QUOTAS_SECONDS = 60.0
CLEANUP_SECONDS = 3600.0


CRASHED = "timer_crashed"


class Standing:
    """How a timer keeps time. Its own thread writes, another one reads: each value is written in one go."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.due_at = clock.now()
        self.took_seconds = 0.0
        self.failure_code: str | None = None
        self.failing_since: datetime | None = None

    @contextmanager
    def turn(self, seconds: float) -> Iterator[None]:
        """One turn; the next is due ``seconds`` after its end."""
        began = time.monotonic()
        yield
        self.took_seconds = time.monotonic() - began
        self.due_at = self._clock.now() + timedelta(seconds=seconds)

    def failed(self, code: str | None) -> None:
        """Note how the turn ended; None: well."""
        if code is None:
            self.failing_since = None
        elif self.failure_code is None:
            self.failing_since = self._clock.now()
        self.failure_code = code


@dataclass(frozen=True, slots=True)
class Timer:
    """Something to be done every ``seconds``, first at once."""

    name: str
    seconds: float
    action: Callable[[], object]

    def run(self, ended: threading.Event, standing: Standing) -> None:
        """Do it again and again until ``ended``; a failure is logged once and tried again next time. How it goes is kept in
        ``standing``."""
        told: str | None = None  # a code, or what kind of crash it was
        while True:
            code: str | None = None
            with standing.turn(self.seconds):
                try:
                    self.action()
                except YunzhuoError as error:
                    if told != error.code:
                        log.warning("timer_failed", timer=self.name, code=error.code, reason=error.message)
                    told = code = error.code
                except Exception as error:
                    if told != repr(type(error)):
                        log.exception("timer_crashed", timer=self.name)
                    told, code = repr(type(error)), CRASHED
                else:
                    if told:
                        log.info("timer_works_again", timer=self.name)
                    told = None
                standing.failed(code)
            if ended.wait(self.seconds):
                return


@dataclass(frozen=True, slots=True)
class _Woken:
    """When an operation was last woken, and for how long that has to do."""

    at: float
    seconds: float


class Waker:
    """Sends a message for every operation that is overdue; the same one again only after a while, and then a longer one.

    When workers do not keep up, what is overdue has its message already, and more of them would only make the queue longer:
    then only what has been overdue for long is woken, and seldom. (Seen under attack: thirty messages for each operation, and
    minutes until one came that meant something.)
    """

    def __init__(self, engine: OperationEngine, health: HealthService) -> None:
        self._engine = engine
        self._health = health
        self._woken: dict[str, _Woken] = {}
        self._looked_at = -BACKLOG_SECONDS
        self._backlog = 0

    def wake_due(self) -> None:
        """Look once. Raises Unavailable when the database or the queue is away."""
        now = time.monotonic()
        due = self._engine.due(grace=GRACE)
        # Those that are not overdue any more begin anew.
        self._woken = {operation_id: self._woken[operation_id] for operation_id in due if operation_id in self._woken}
        late = [operation_id for operation_id in due if self._may_be_woken(operation_id, now)]
        if late and self._backlog_now(now) >= len(due):
            long_overdue = set(self._engine.due(grace=timedelta(seconds=LATE_SECONDS)))
            late = [each for each in late if each in long_overdue and self._may_be_woken(each, now, LATE_AGAIN_SECONDS)]
        for operation_id in late:
            self._engine.wake(operation_id)
            woken = self._woken.get(operation_id)
            seconds = WAKE_AGAIN_FIRST_SECONDS if woken is None else min(2 * woken.seconds, WAKE_AGAIN_LONGEST_SECONDS)
            self._woken[operation_id] = _Woken(now, seconds)

    def _may_be_woken(self, operation_id: str, now: float, at_least_seconds: float = 0) -> bool:
        woken = self._woken.get(operation_id)
        return woken is None or now - woken.at >= max(woken.seconds, at_least_seconds)

    def _backlog_now(self, now: float) -> int:
        """How many messages there are, asked now and then."""
        if now - self._looked_at >= BACKLOG_SECONDS:
            self._backlog, self._looked_at = self._health.backlog(), now
        return self._backlog


def timers(settings: Settings, all_services: Services) -> list[Timer]:
    """What this process does."""
    # Made before anything asks which there are; what belongs to no account is reported to it.
    first = all_services.accounts.default_organization_id()

    def synchronize() -> None:
        all_services.catalog.synchronize_places()
        for organization_id in all_services.organizations.ids():
            all_services.catalog.synchronize(organization_id)

    def cleanup() -> None:
        all_services.events.forget_old()
        all_services.forgetting.round()
        all_services.attempts.forget_old()
        all_services.outbox.forget_old()
        all_services.screens.forget_old()
        all_services.passkeys.forget_old()
        all_services.proofs.forget_old()
        all_services.sessions.forget_old()
        all_services.delegations.forget_old()
        all_services.schedule_keeper.forget_old()
        all_services.pool_history.forget_old()
        all_services.audit_keeper.export_head()
        all_services.audit_keeper.prune()

    return [
        Timer("due", DUE_SECONDS, Waker(all_services.engine, all_services.health).wake_due),
        Timer("queue", QUEUE_SECONDS, all_services.health.mend_queue),
        Timer("admission", ADMISSION_SECONDS, all_services.admission.round),
        *_notices(settings, all_services),
        Timer("reconcile", settings.cloud.poll_seconds, all_services.notice_keeper.compare),
        Timer("disks", DISKS_SECONDS, all_services.disk_upkeep.round),
        Timer("pools", POOLS_SECONDS, all_services.pool_keeper.round),
        Timer("pool_samples", POOL_SAMPLES_SECONDS, all_services.pool_history.sample),
        Timer("leases", LEASES_SECONDS, all_services.lease_keeper.round),
        Timer("schedules", SCHEDULES_SECONDS, all_services.schedule_keeper.round),
        Timer("warnings", WARNINGS_SECONDS, all_services.schedule_warner.round),
        Timer("idle", IDLE_SECONDS, all_services.idle_keeper.round),
        Timer("catalog", CATALOG_SECONDS, synchronize),
        Timer("audit", AUDIT_SECONDS, all_services.audit_keeper.seal),
        Timer("usage", USAGE_SECONDS, all_services.usage.count),
        Timer("license", LICENSE_SECONDS, all_services.licensing.witness),
        Timer("renewal", LICENSE_SECONDS, lambda: all_services.license_renewal.round(first)),
        Timer("mail", MAIL_SECONDS, all_services.outbox.wake_due),
        Timer("guesses", GUESSES_SECONDS, lambda: all_services.guesses.report(first)),
        Timer("addresses", settings.addresses.compare_seconds, all_services.address_upkeep.round),
        Timer("ports", settings.reconcile.ports_seconds, all_services.port_upkeep.round),
        Timer("projects", PROJECTS_SECONDS, all_services.project_upkeep.make_missing),
        Timer("project_quotas", PROJECT_QUOTAS_SECONDS, all_services.project_upkeep.compare),
        Timer("screens", SCREENS_SECONDS, all_services.screens.sweep),
        Timer("cleanup", CLEANUP_SECONDS, cleanup),
    ]


def _notices(settings: Settings, all_services: Services) -> list[Timer]:
    """Where the cloud tells of changes: a turn listens, so that between two there is hardly a pause."""
    is_told = settings.cloud.driver == "openstack"
    return [Timer("notices", NOTICES_SECONDS, all_services.notice_keeper.round)] if is_told else []


def run(settings: Settings, supervised: bool, *, clock: Clock | None = None) -> int:
    """Keep time until told to end. The exit code is 0."""
    configure("scheduler", level=settings.log.level, style=settings.log.style)
    ended = threading.Event()
    lifeline.watch(lambda _why: ended.set(), supervised=supervised)
    with services(settings, clock=clock) as all_services:
        standings: dict[str, Standing] = {}
        own = Timer("beats", BEATS_SECONDS, lambda: all_services.timers.report(_beats(found, standings)))
        found = [*timers(settings, all_services), own]
        standings |= {timer.name: Standing(clock or SystemClock()) for timer in found}
        threads = [threading.Thread(target=timer.run, args=(ended, standings[timer.name]), name=timer.name) for timer in found]
        for thread in threads:
            thread.start()
        log.info("scheduler_started", timers=[thread.name for thread in threads])
        for thread in threads:
            thread.join()
        try:
            all_services.timers.leave()
            all_services.notice_keeper.leave()
        except YunzhuoError as error:
            log.warning("timers_not_forgotten", code=error.code, reason=error.message)
    return 0


def _beats(found: list[Timer], standings: Mapping[str, Standing]) -> list[Beat]:
    """How all timers of this process stand, to be reported."""
    told = [(timer, standings[timer.name]) for timer in found]
    return [
        Beat(timer.name, timer.seconds, each.due_at, each.took_seconds, each.failure_code, each.failing_since)
        for timer, each in told
    ]
