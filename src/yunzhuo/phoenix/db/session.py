"""Transactions: short, visible, and with what has to wait for the commit."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.phoenix.common.logging import get_logger

log = get_logger()
_BUSY_TIMEOUT_MS = 15_000
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 30

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

# MariaDB: lock wait timeout, deadlock, and a row that changed since this transaction's snapshot (11.6 and newer). Whichever
# it is, the transaction is taken back as a whole and nothing is wrong with it.
_CONTENTION = frozenset({1205, 1213, 1020})
_CONTENTION_TRIES = 6
_CONTENTION_PAUSE_SECONDS = 0.01

# For every connection, whatever the server's own choice: a value that does not fit is an error and never cut, times are
# UTC, who waits for a row's lock is told after ten seconds. READ COMMITTED: after a compare-and-set that was lost, the next
# look in the same transaction has to see what won; and without gap locks two inserts never stand in each other's way.
_MARIADB_SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION',"
    " time_zone = '+00:00', innodb_lock_wait_timeout = 10"
)


class Contended(Unavailable):
    """The database took a transaction back in favor of another one; the same again may well succeed."""

    def __init__(self) -> None:
        super().__init__("database_contended", "Too many changes at once; please try again.")


def retried_when_contended(transaction: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """For a method that is one whole transaction: run it again, a few times, when it was taken back for another one.

    What it has done outside the database is done again, too; so it should do nothing there.
    """

    @wraps(transaction)
    def run(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        for tried in range(_CONTENTION_TRIES - 1):
            try:
                return transaction(*args, **kwargs)
            except Contended:
                log.info("transaction_retried", transaction=transaction.__qualname__, tried=tried + 1)
                # Two that met once shall not meet again. (Chance here protects nothing.)
                time.sleep(random.uniform(0.5, 1.5) * _CONTENTION_PAUSE_SECONDS * 2**tried)  # nosec B311 # a pause, no secret
        return transaction(*args, **kwargs)

    return run


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
            except Unavailable as error:
                log.warning("after_commit_failed", code=error.code, **error.details)
            except Exception:
                log.warning("after_commit_failed", exc_info=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A consistent look at the database; what is changed inside is thrown away."""
        with _reachable(), self._transactions() as tx:
            tx.connection(execution_options={"yunzhuo_reading": True})
            yield tx

    def server(self) -> str:
        """Which database this is, with its version: ``MariaDB 10.11.19``. Raises Unavailable."""
        with _reachable(), self.engine.connect() as connection:
            dialect = connection.dialect
            name = "MariaDB" if getattr(dialect, "is_mariadb", False) else {"sqlite": "SQLite", "mysql": "MySQL"}[dialect.name]
            return f"{name} {'.'.join(str(part) for part in dialect.server_version_info or ())}"

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


@contextmanager
def _reachable() -> Iterator[None]:
    """Raises Unavailable for what a database says when it is away, full or locked for too long; Contended for a deadlock."""
    try:
        yield
    except DBAPIError as error:
        if _number(error) in _CONTENTION:
            raise Contended from error
        if not isinstance(error, OperationalError) and not error.connection_invalidated:
            raise
        log.warning("database_unavailable", reason=str(error.orig))
        raise Unavailable("database_unavailable", "The database does not answer.") from error


def _number(error: DBAPIError) -> int | None:
    """MariaDB's number of an error."""
    first = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return first if isinstance(first, int) else None


def _engine(url: str, pool_size: int) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(url, parsed.database, pool_size)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,  # a server that was restarted is noticed before a transaction begins, not inside it
        isolation_level="READ COMMITTED",
        connect_args={
            "charset": "utf8mb4",
            "init_command": _MARIADB_SESSION,
            "connect_timeout": _CONNECT_SECONDS,
            "read_timeout": _ANSWER_SECONDS,
            "write_timeout": _ANSWER_SECONDS,
        },
    )
    event.listen(engine, "begin", _begin_mariadb)
    return engine


def _begin_mariadb(connection: Connection) -> None:
    if connection.get_execution_options().get("yunzhuo_reading", False):
        # For this transaction alone: several looks see one moment, and a change is refused.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _sqlite_engine(url: str, path: str | None, pool_size: int) -> Engine:
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
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
