"""The file that holds a memory cloud: one SQLite database, written in immediate transactions by any number of processes.

Nothing that matters lives outside this file, so the cloud survives the killing of any of its users at any moment.
"""

import hashlib
import json
import os
import secrets
import sqlite3
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from yunzhuo.phoenix.cloud.errors import CloudUnavailable
from yunzhuo.phoenix.cloud.memory.options import Options
from yunzhuo.phoenix.common.clock import Clock

_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE servers (
    id TEXT PRIMARY KEY,
    desktop_id TEXT UNIQUE,             -- our tag; NULL: a server of others
    host_id TEXT NOT NULL,
    vcpus INTEGER NOT NULL,
    memory_mib INTEGER NOT NULL,
    disk_mib INTEGER NOT NULL,
    frees_at REAL,                      -- from then on it takes no memory and vCPU; NULL: it takes them
    gone_at REAL,                       -- from then on it is deleted
    record TEXT NOT NULL                -- JSON, see records.py
);
CREATE INDEX servers_gone_at ON servers (gone_at) WHERE gone_at IS NOT NULL;
CREATE TABLE files (
    server_id TEXT NOT NULL REFERENCES servers ON DELETE CASCADE,
    path TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (server_id, path)
) WITHOUT ROWID;
CREATE TABLE snapshots (
    number INTEGER PRIMARY KEY,
    id TEXT UNIQUE NOT NULL,
    server_id TEXT NOT NULL REFERENCES servers ON DELETE CASCADE,
    record TEXT NOT NULL                -- JSON, see records.py
);
CREATE INDEX snapshots_server ON snapshots (server_id);
CREATE TABLE snapshot_files (
    snapshot_id TEXT NOT NULL REFERENCES snapshots (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (snapshot_id, path)
) WITHOUT ROWID;
CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    server_id TEXT NOT NULL REFERENCES servers ON DELETE CASCADE,
    message TEXT NOT NULL
);
CREATE INDEX messages_server ON messages (server_id);
CREATE TABLE faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    calls_left INTEGER,                 -- NULL: always
    fault TEXT NOT NULL                 -- JSON, see faults.py
);
CREATE TABLE calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    process_id INTEGER NOT NULL,
    thread TEXT NOT NULL,
    operation TEXT NOT NULL,
    subject TEXT NOT NULL,
    started_at REAL NOT NULL,
    ended_at REAL,                      -- NULL: going on, or its process died
    outcome TEXT
);
"""

# Made where it is missing: a file that an earlier release made has no volumes, or no floating IPs.
_LATER = (
    """CREATE TABLE IF NOT EXISTS volumes (
        id TEXT PRIMARY KEY,
        disk_id TEXT UNIQUE NOT NULL,   -- our tag
        name TEXT NOT NULL,
        size_mib INTEGER NOT NULL,
        created_at REAL NOT NULL,
        server_id TEXT REFERENCES servers ON DELETE SET NULL
    )""",
    "CREATE INDEX IF NOT EXISTS volumes_server ON volumes (server_id)",
    """CREATE TABLE IF NOT EXISTS volume_files (
        volume_id TEXT NOT NULL REFERENCES volumes ON DELETE CASCADE,
        path TEXT NOT NULL,
        content BLOB NOT NULL,
        PRIMARY KEY (volume_id, path)
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS volume_snapshots (
        number INTEGER PRIMARY KEY,
        id TEXT UNIQUE NOT NULL,
        volume_id TEXT NOT NULL REFERENCES volumes ON DELETE CASCADE,
        name TEXT NOT NULL,
        created_at REAL NOT NULL,
        size_mib INTEGER NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS volume_snapshot_files (
        snapshot_id TEXT NOT NULL REFERENCES volume_snapshots (id) ON DELETE CASCADE,
        path TEXT NOT NULL,
        content BLOB NOT NULL,
        PRIMARY KEY (snapshot_id, path)
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS floating_ips (
        id TEXT PRIMARY KEY,
        address_id TEXT UNIQUE NOT NULL, -- our tag
        address TEXT NOT NULL,
        network_id TEXT NOT NULL,
        created_at REAL NOT NULL,
        server_id TEXT UNIQUE REFERENCES servers ON DELETE SET NULL,
        led_to TEXT,                     -- before the last change: what a stale answer says
        UNIQUE (network_id, address)
    )""",
    """CREATE TABLE IF NOT EXISTS things ( -- what people have made: networks, routers, security groups, images, states of hosts
        number INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        record TEXT NOT NULL,           -- JSON
        UNIQUE (kind, id)
    )""",
    """CREATE TABLE IF NOT EXISTS image_pieces (
        image_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        content BLOB NOT NULL,
        PRIMARY KEY (image_id, number)
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS placements ( -- what is in a project, by our tag on it; the rest is in the part that all share
        tag TEXT PRIMARY KEY,
        project_id TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS ports ( -- those that servers left behind
        id TEXT PRIMARY KEY,
        server_id TEXT NOT NULL,
        address TEXT NOT NULL,
        created_at REAL NOT NULL
    )""",
)

_Value = str | int | float | bytes | None


class Transaction:
    """One immediate transaction at one moment. ``now`` is that moment in seconds since 1970."""

    def __init__(self, connection: sqlite3.Connection, now: float, options: Options) -> None:
        self._connection = connection
        self.now = now
        self.options = options

    def execute(self, statement: str, *values: _Value) -> sqlite3.Cursor:
        """Run one statement; ``?`` stands for a value."""
        return self._connection.execute(statement, values)

    def rows(self, statement: str, *values: _Value) -> Sequence[Sequence[Any]]:
        """All rows of a query."""
        return self._connection.execute(statement, values).fetchall()

    def row(self, statement: str, *values: _Value) -> Sequence[Any] | None:
        """The first row of a query, or None."""
        row: Sequence[Any] | None = self._connection.execute(statement, values).fetchone()
        return row

    def next_number(self, name: str) -> int:
        """1, 2, 3, ...: one more at each call, for ever."""
        row = self.row(
            "INSERT INTO facts VALUES (?, 1) ON CONFLICT DO UPDATE SET value = CAST(value AS INTEGER) + 1 RETURNING value",
            f"number:{name}",
        )
        return int(row[0]) if row else 0

    def draw(self) -> bytes:
        """The next 32 bytes of chance; the stored seed decides them all."""
        return hashlib.sha256(f"{self.options.seed}:{self.next_number('draw')}".encode()).digest()

    def draw_fraction(self) -> float:
        """The next number of chance, at least 0 and less than 1."""
        return int.from_bytes(self.draw()[:6], "big") / (1 << 48)

    def draw_id(self) -> str:
        """A new id in the form of a UUID."""
        return str(uuid.UUID(bytes=self.draw()[:16], version=4))


class StateFile:
    """Opens the file at its first use and makes it when it is not there. Used by several threads at once."""

    def __init__(self, path: Path, clock: Clock, *, timeout_seconds: float) -> None:
        self.path = path.absolute()
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        # Threads of one process queue up here, in order; SQLite's own waiting sleeps longer and longer.
        self._turn = threading.Lock()
        self._idle: list[tuple[int, sqlite3.Connection]] = []
        self._of_parent: list[sqlite3.Connection] = []
        self._options: tuple[str, Options] = ("", Options())

    def now(self) -> float:
        """The present in seconds since 1970."""
        return self._clock.now().timestamp()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All or nothing, one after another across threads and processes. Raises CloudUnavailable."""
        if not self._turn.acquire(timeout=self._timeout_seconds):
            raise CloudUnavailable("The memory cloud is busy.", path=str(self.path))
        try:
            connection = self._take()
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield Transaction(connection, self.now(), self._read_options(connection))
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._idle.append((os.getpid(), connection))
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise  # a mistake in this driver, not a bad day
        except (sqlite3.DatabaseError, OSError) as error:
            raise CloudUnavailable(
                "The memory cloud's state cannot be used.", path=str(self.path), reason=str(error)
            ) from error
        finally:
            self._turn.release()

    def options(self) -> Options:
        """What the cloud is made of now."""
        with self.transaction() as transaction:
            return transaction.options

    def change_options(self, **changes: object) -> Options:
        """Set some options for all users of the cloud, from now on; what is under way keeps its times. Answers all of them."""
        with self.transaction() as transaction:
            changed = Options.model_validate(transaction.options.model_dump() | changes)
            transaction.execute("UPDATE facts SET value = ? WHERE name = 'options'", changed.model_dump_json())
            return changed

    def close(self) -> None:
        """Close the connections; the next use opens one again."""
        with self._turn:
            while self._idle:
                self._idle.pop()[1].close()

    def _take(self) -> sqlite3.Connection:
        while self._idle:
            process_id, connection = self._idle.pop()
            if process_id == os.getpid():
                return connection
            # SQLite's connections must not cross a fork, not even to be closed; so the reference is kept.
            self._of_parent.append(connection)
        if not self.path.exists():
            self._make()
        return self._open(self.path)

    def _open(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=self._timeout_seconds, isolation_level=None, check_same_thread=False)
        # The state survives any killed process, which needs no fsync; a power cut may take the last changes.
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        if path == self.path:
            for statement in _LATER:
                connection.execute(statement)
        return connection

    def _make(self) -> None:
        """Make the whole file beside its place and link it there, so that nobody ever sees half of it; the first one wins."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        os.close(descriptor)
        new = Path(name)
        try:
            with closing(self._open(new)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.executescript(_SCHEMA)
                facts: Mapping[str, str] = {
                    "options": Options(seed=secrets.randbits(53)).model_dump_json(),
                    "made_at": json.dumps(self.now()),
                }
                connection.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
            try:
                os.link(new, self.path)
            except FileExistsError:
                return  # somebody else was first: theirs is as good
        finally:
            new.unlink()

    def _read_options(self, connection: sqlite3.Connection) -> Options:
        text: str = connection.execute("SELECT value FROM facts WHERE name = 'options'").fetchone()[0]
        known, options = self._options
        if text != known:
            options = Options.model_validate_json(text)
            self._options = (text, options)
        return options
