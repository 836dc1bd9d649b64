"""Jobs about operations."""

import structlog
from celery import Celery

from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.services.admission import ADVANCE_JOB
from yunzhuo.services.assembly import Services

log = get_logger()


def register(app: Celery, services: Services) -> None:
    """``operation.advance``: look at one operation and take its step if it is due."""

    def advance(operation_id: str) -> None:
        with structlog.contextvars.bound_contextvars(operation_id=operation_id):
            try:
                services.engine.advance(operation_id)
            except Unavailable as error:  # the database is away; what was due stays due
                log.warning("advance_given_up", code=error.code)

    app.task(name=ADVANCE_JOB)(advance)
