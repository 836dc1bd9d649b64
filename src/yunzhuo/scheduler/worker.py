"""The worker process: takes messages from the queue and runs their jobs in a pool of threads."""

import threading
from typing import Any, ClassVar

from celery.worker import WorkController, state
from celery.worker.consumer import Consumer

from yunzhuo.phoenix.common import lifeline
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.logging import configure, get_logger
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.scheduler import jobs
from yunzhuo.services.assembly import services

log = get_logger()


class _Consumer(Consumer):
    """Celery's, without the 28 queues that it makes at RabbitMQ for delayed messages: we send none (phoenix.queue)."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc, valid-type]  # stubs disagree
        default_steps: ClassVar = [
            step for step in Consumer.Blueprint.default_steps if not str(step).endswith(":DelayedDelivery")
        ]


# Celery's worker without what a single queue has no use for: gossip between workers, their heartbeats.
_QUIET: dict[str, Any] = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}


def run(settings: Settings, supervised: bool, *, clock: Clock | None = None) -> int:
    """Work until told to end; what is being worked on is finished first. The exit code is 0."""
    configure("worker", level=settings.log.level, style=settings.log.style)
    with services(settings, clock=clock) as all_services:
        app = all_services.queue_app
        jobs.register(app, all_services)
        app.finalize()
        worker = WorkController(
            app=app, pool="threads", concurrency=settings.queue.worker_threads, consumer_cls=_Consumer, **_QUIET
        )
        ended = threading.Event()

        def end(why: lifeline.End) -> None:
            log.info("worker_ending", why=why)
            ended.set()
            vars(state)["should_stop"] = 0  # read by the consumer's loop, which then drains the pool

        lifeline.watch(end, supervised=supervised)
        log.info("worker_started", threads=settings.queue.worker_threads)
        if not ended.is_set():
            worker.start()
    return 0
