"""The scheduler process: what has to happen in time, whether or not a message came.

Each timer has a thread of its own, so that a slow cloud never delays the look for operations that are due. Several
schedulers at once are harmless.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from yunzhuo.phoenix.common import lifeline
from yunzhuo.phoenix.common.errors import YunzhuoError
from yunzhuo.phoenix.common.logging import configure, get_logger
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.operations import OperationEngine

log = get_logger()

DUE_SECONDS = 0.25
# A message takes some 20 ms; what is overdue for longer than this had none, or lost it.
GRACE = timedelta(seconds=0.5)
WAKE_AGAIN_SECONDS = 3.0
CATALOG_SECONDS = 5.0
AUDIT_SECONDS = 2.0
USAGE_SECONDS = 60.0
CLEANUP_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Timer:
    """Something to be done every ``seconds``, first at once."""

    name: str
    seconds: float
    action: Callable[[], object]

    def run(self, ended: threading.Event) -> None:
        """Do it again and again until ``ended``; a failure is logged once and tried again next time."""
        failing = ""
        while True:
            try:
                self.action()
            except YunzhuoError as error:
                if failing != error.code:
                    log.warning("timer_failed", timer=self.name, code=error.code, reason=error.message)
                failing = error.code
            except Exception:
                log.exception("timer_crashed", timer=self.name)
            else:
                if failing:
                    log.info("timer_works_again", timer=self.name)
                failing = ""
            if ended.wait(self.seconds):
                return


class Waker:
    """Sends a message for every operation that is overdue; the same one again only after a while."""

    def __init__(self, engine: OperationEngine) -> None:
        self._engine = engine
        self._woken: dict[str, float] = {}

    def wake_due(self) -> None:
        """Look once."""
        now = time.monotonic()
        self._woken = {operation: at for operation, at in self._woken.items() if now - at < WAKE_AGAIN_SECONDS}
        for operation_id in self._engine.due(grace=GRACE):
            if operation_id not in self._woken:
                self._woken[operation_id] = now
                self._engine.wake(operation_id)


def timers(settings: Settings, all_services: Services) -> list[Timer]:
    """What this process does."""
    all_services.accounts.default_organization_id()  # made before anything asks which there are

    def synchronize() -> None:
        for organization_id in all_services.organizations.ids():
            all_services.catalog.synchronize(organization_id)

    def cleanup() -> None:
        all_services.events.forget_old()
        all_services.attempts.forget_old()
        all_services.delegations.forget_old()
        all_services.audit_keeper.export_head()
        all_services.audit_keeper.prune()

    return [
        Timer("due", DUE_SECONDS, Waker(all_services.engine).wake_due),
        Timer("reconcile", settings.cloud.poll_seconds, all_services.reconciler.round),
        Timer("catalog", CATALOG_SECONDS, synchronize),
        Timer("audit", AUDIT_SECONDS, all_services.audit_keeper.seal),
        Timer("usage", USAGE_SECONDS, all_services.usage.count),
        Timer("cleanup", CLEANUP_SECONDS, cleanup),
    ]


def run(settings: Settings, supervised: bool) -> int:
    """Keep time until told to end. The exit code is 0."""
    configure("scheduler", level=settings.log.level, style=settings.log.style)
    ended = threading.Event()
    lifeline.watch(lambda _why: ended.set(), supervised=supervised)
    with services(settings) as all_services:
        threads = [
            threading.Thread(target=timer.run, args=(ended,), name=timer.name) for timer in timers(settings, all_services)
        ]
        for thread in threads:
            thread.start()
        log.info("scheduler_started", timers=[thread.name for thread in threads])
        for thread in threads:
            thread.join()
    return 0
