"""A real MariaDB with the configuration that a site is given."""

import contextlib
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import OperationalError
from tests.support.server_process import ServerProcess, free_port

CONFIGURATION = Path(__file__).parents[2] / "infras" / "mariadb" / "yunzhuo.cnf"
START_SECONDS = 60.0


class MariaDb:
    """A server, and its databases.

    What was committed outlives, by ``flush`` (innodb_flush_log_at_trx_commit): 0 nothing, which is quick; 2 a killed server;
    1 a power cut, as a site has it. ``space_mib``: all its tables together have no more room.
    """

    def __init__(self, *, flush: int = 0, space_mib: int | None = None) -> None:
        self._server = ServerProcess("mariadb")
        self._flush = flush
        self._space_mib = space_mib
        self._space = (
            []
            if space_mib is None
            else [f"--innodb-data-file-path=ibdata1:{space_mib}M", "--skip-innodb-file-per-table", "--skip-log-bin"]
        )
        self._databases = 0
        self.port = free_port()
        folder = self._server.folder
        (folder / "empty.cnf").touch()
        self._server.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={folder / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *self._space,
            ]
        )
        self.start()
        with self._administrator() as connection:
            connection.execute(text("CREATE USER yunzhuo@'127.0.0.1' IDENTIFIED BY 'yunzhuo'"))

    def start(self) -> None:
        """Start it and wait until it answers."""
        folder = self._server.folder
        own = [f"--datadir={folder / 'data'}", f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}"]
        own += [f"--port={self.port}", "--innodb-buffer-pool-size=128M", "--innodb-doublewrite=0", *self._space]
        own += [f"--innodb-flush-log-at-trx-commit={self._flush}"]
        self._server.start(["mariadbd", f"--defaults-file={CONFIGURATION}", *own])
        self._server.wait_for(self._answers, START_SECONDS)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it; its data stay."""
        self._server.end(number)

    def close(self) -> None:
        """End it and remove its data."""
        self._server.close()

    def make_database(self) -> str:
        """A new empty database; answers its URL."""
        self._databases += 1
        name = f"yunzhuo_{self._databases}"
        with self._administrator() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
            connection.execute(text(f"GRANT ALL PRIVILEGES ON {name}.* TO yunzhuo@'127.0.0.1'"))
        return self.url(name)

    def copy_of(self, url: str) -> str:
        """A new database with the tables and rows of another one of this server; answers its URL."""
        source = str(make_url(url).database)
        copy = self.make_database()
        with self._administrator() as connection:
            connection.exec_driver_sql("SET foreign_key_checks = 0")
            connection.exec_driver_sql(f"USE {make_url(copy).database}")
            for table in connection.scalars(text(f"SHOW TABLES FROM {source}")).all():
                made: str = connection.exec_driver_sql(f"SHOW CREATE TABLE {source}.`{table}`").one()[1]
                connection.exec_driver_sql(made.replace("%", "%%"))
                connection.exec_driver_sql(f"INSERT INTO `{table}` SELECT * FROM {source}.`{table}`")
        return copy

    def fill_the_disk(self) -> int:
        """Take all room that there is; answers how many MiB that was. Only with ``space_mib``."""
        with self._administrator() as connection:
            connection.execute(text("CREATE DATABASE filler"))
            connection.execute(text("CREATE TABLE filler.filler (piece LONGBLOB)"))
        taken_kib = 0
        for kib in (8192, 512, 16):
            with contextlib.suppress(OperationalError):
                while True:
                    with self._administrator() as connection:
                        connection.execute(text(f"INSERT INTO filler.filler VALUES (REPEAT('x', {kib} * 1024))"))
                    taken_kib += kib
        return taken_kib // 1024

    def get_a_bigger_disk(self) -> None:
        """As much room again, and a restart with it: a table that is full has no room to be emptied."""
        self.end()
        self._space[0] += f";ibdata2:{self._space_mib}M"
        self.start()
        with self._administrator() as connection:
            connection.execute(text("DROP DATABASE filler"))

    def drop(self, url: str) -> None:
        """Remove a database."""
        with self._administrator() as connection:
            connection.execute(text(f"DROP DATABASE {make_url(url).database}"))

    def url(self, name: str) -> str:
        """The URL of one database."""
        return f"mysql+pymysql://yunzhuo:yunzhuo@127.0.0.1:{self.port}/{name}"

    @contextmanager
    def _administrator(self) -> Iterator[Connection]:
        engine = sqlalchemy.create_engine(
            "mysql+pymysql://root@localhost/", connect_args={"unix_socket": str(self._server.folder / "socket")}
        )
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return bool(connection.recv(1))  # it speaks first
        except OSError:
            return False
