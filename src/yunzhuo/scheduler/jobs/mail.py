"""Jobs about letters."""

import structlog
from celery import Celery

from yunzhuo.services.assembly import Services
from yunzhuo.services.mailing import SEND_JOB


def register(app: Celery, services: Services) -> None:
    """``mail.send``: try to send one letter if it is due."""

    def send(mail_id: str) -> None:
        with structlog.contextvars.bound_contextvars(mail_id=mail_id):
            services.outbox.send(mail_id)

    app.task(name=SEND_JOB)(send)
