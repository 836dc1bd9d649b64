"""The worker process: takes messages from the queue and runs their jobs in a pool of threads."""

import threading
from typing import Any

from celery.worker import WorkController, state

from yunzhuo.phoenix.common import lifeline
from yunzhuo.phoenix.common.logging import configure, get_logger
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.scheduler import jobs
from yunzhuo.services.assembly import services

log = get_logger()


# Celery's worker without what a single queue has no use for: gossip between workers, their heartbeats.
_QUIET: dict[str, Any] = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}


def run(settings: Settings, supervised: bool) -> int:
    """Work until told to end; what is being worked on is finished first. The exit code is 0."""
    configure("worker", level=settings.log.level, style=settings.log.style)
    with services(settings) as all_services:
        app = all_services.queue_app
        jobs.register(app, all_services)
        app.finalize()
        worker = WorkController(app=app, pool="threads", concurrency=settings.queue.worker_threads, **_QUIET)
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
