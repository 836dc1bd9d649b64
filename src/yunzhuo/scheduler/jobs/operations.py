"""Jobs about operations."""

import structlog
from celery import Celery

from yunzhuo.services.admission import ADVANCE_JOB
from yunzhuo.services.assembly import Services


def register(app: Celery, services: Services) -> None:
    """``operation.advance``: look at one operation and take its step if it is due."""

    def advance(operation_id: str) -> None:
        with structlog.contextvars.bound_contextvars(operation_id=operation_id):
            services.engine.advance(operation_id)

    app.task(name=ADVANCE_JOB)(advance)
