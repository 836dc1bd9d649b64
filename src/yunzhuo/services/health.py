"""Whether this installation works: asked by load balancers, by `yunzhuo doctor` and by whoever waits for a start."""

from contextlib import suppress

from sqlalchemy import func, select

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.errors import Unavailable, YunzhuoError
from yunzhuo.phoenix.db import migrate
from yunzhuo.phoenix.db.models import ConsoleSession, Desktop, Leftover, Operation
from yunzhuo.phoenix.db.session import Database
from yunzhuo.phoenix.queue import Queue
from yunzhuo.services.accounts import AccountService
from yunzhuo.services.catalog import CatalogService
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import OperationStatus


class HealthService:
    """Answers without a permission: it says nothing about anybody."""

    def __init__(self, db: Database, queue: Queue, cloud: Cloud, catalog: CatalogService, accounts: AccountService) -> None:
        self._db = db
        self._queue = queue
        self._cloud = cloud
        self._catalog = catalog
        self._accounts = accounts

    def missing(self) -> dict[str, str]:
        """What is not ready, by part; empty when a desktop asked for now would really be fast."""
        missing: dict[str, str] = {}
        if not migrate.is_current(self._db):
            return {"database": "The database is not at this release's schema."}
        try:
            self._queue.check()
        except Unavailable as error:
            missing["queue"] = error.message
        try:
            self._cloud.check()
            if not self._catalog.is_fast(self._accounts.default_organization_id()):
                missing["desktops"] = "The default image is still being prepared."
        except YunzhuoError as error:
            missing["cloud"] = error.message
        return missing

    def lacks(self) -> dict[str, str]:
        """What new desktops need in the cloud by the settings, and is not there, by code; all else works.

        Of a cloud that does not answer nothing is known.
        """
        with suppress(YunzhuoError):
            return {lack.code: lack.message for lack in self._cloud.lacks()}
        return {}

    def database(self) -> str:
        """Which database this is, with its version. Raises Unavailable."""
        return self._db.server()

    def backlog(self) -> int:
        """How many wake-ups wait for a worker. Raises Unavailable."""
        return self._queue.length()

    def mend_queue(self) -> bool:
        """Make a queue anew that takes nothing although the broker works; says whether it did. Raises Unavailable."""
        return self._queue.mend()

    def figures(self) -> dict[str, int]:
        """How many there are of what, for the metrics page."""
        active = [status.value for status in lifecycle.ACTIVE]
        with self._db.reading() as tx:
            return {
                "desktops": tx.scalar(select(func.count()).where(Desktop.deleted_at.is_(None))) or 0,
                "operations_active": tx.scalar(select(func.count()).where(Operation.status.in_(active))) or 0,
                "operations_waiting": tx.scalar(select(func.count()).where(Operation.status == OperationStatus.WAITING)) or 0,
                "leftovers": tx.scalar(select(func.count()).select_from(Leftover)) or 0,
                "sessions_open": tx.scalar(select(func.count()).where(ConsoleSession.ended_at.is_(None))) or 0,
            }
