"""Jobs: names that messages carry, each a call of one service with ids as arguments. Twice is harmless."""

from celery import Celery

from yunzhuo.scheduler.jobs import mail, operations
from yunzhuo.services.assembly import Services


def register(app: Celery, services: Services) -> None:
    """Make every job known to the worker's application."""
    mail.register(app, services)
    operations.register(app, services)
