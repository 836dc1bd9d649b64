"""Transactions: short, visible, and with what has to wait for the commit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.phoenix.common.logging import get_logger

log = get_logger()
_BUSY_TIMEOUT_MS = 15_000


class Transaction(Session):
    """One database transaction. :meth:`after_commit` keeps what may happen only when it holds."""

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once the transaction is committed; never when it is rolled back."""
        self.info.setdefault("after_commit", []).append(callback)


class Database:
    """The one way to the database.

    ``with db.transaction() as tx`` commits at the end of the block, or rolls back when it raises. Never make a call to
    the cloud inside: on SQLite the block is the only writer, on MariaDB it holds row locks.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine = _engine(url, pool_size)
        self._transactions = sessionmaker(self.engine, class_=Transaction, expire_on_commit=False)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction that writes. What ``after_commit`` collected is called after the commit; a failure there is
        logged and lost, so it may only be a wake-up for what the database says anyway."""
        with _reachable(), self._transactions() as tx:
            with tx.begin():
                yield tx
            callbacks: list[Callable[[], None]] = tx.info.pop("after_commit", [])
        for callback in callbacks:
            try:
                callback()
            except Exception:
                log.warning("after_commit_failed", exc_info=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A consistent look at the database; what is changed inside is thrown away."""
        with _reachable(), self._transactions() as tx:
            tx.connection(execution_options={"yunzhuo_reading": True})
            yield tx

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


@contextmanager
def _reachable() -> Iterator[None]:
    """Raises Unavailable for what a database says when it is away, full or locked for too long."""
    try:
        yield
    except OperationalError as error:
        log.warning("database_unavailable", reason=str(error.orig))
        raise Unavailable("database_unavailable", "The database does not answer.") from error


def _engine(url: str, pool_size: int) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(
            url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True, isolation_level="READ COMMITTED"
        )
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_size=pool_size, max_overflow=pool_size, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own idea of when to begin is switched off: writers take the lock at once instead of failing later.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={_BUSY_TIMEOUT_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    reading = connection.get_execution_options().get("yunzhuo_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
