"""All tables as lines of JSON and back: the same text from SQLite and MariaDB, so that a backup of one fills the other.

Tables are read as the database has them, not as this release's models say: a dump of an older release is loaded into that
release's schema first.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from alembic import command
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import JSON, Connection, MetaData, Table, func, insert, inspect, select
from sqlalchemy.exc import OperationalError, StatementError

from yunzhuo.phoenix.db import migrate
from yunzhuo.phoenix.db.models import Base
from yunzhuo.phoenix.db.session import Database

_AT_ONCE = 500
_CHARACTERS_AT_ONCE = 16 * 1024 * 1024
_VERSION_TABLE = "alembic_version"


def _json_columns(metadata: MetaData) -> frozenset[tuple[str, str]]:
    return frozenset(
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, JSON)
    )


_JSON_COLUMNS = _json_columns(Base.metadata)


@dataclass(frozen=True, slots=True)
class OtherTables:
    """Tables of a migration tree of their own in the same database. ``upgrade`` brings them to one of its revisions."""

    metadata: MetaData
    version_table: str
    upgrade: Callable[[Database, str], None]


def revision(db: Database, other: OtherTables | None = None) -> str | None:
    """The newest migration that the database, or those other tables in it, has had; None: none."""
    options = {"version_table": other.version_table} if other else {}
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection, opts=options).get_current_revision()


def is_empty(db: Database, other: OtherTables | None = None) -> bool:
    """Whether nothing would be lost: there are no tables, or no rows in them but those that migrations make."""
    asked = {"users", *(other.metadata.tables if other else ())} & set(inspect(db.engine).get_table_names())
    if not asked:
        return True
    with db.engine.connect() as connection:
        tables = _tables(connection, other)
        return not any(connection.scalar(select(func.count()).select_from(tables[name])) for name in asked)


def read(db: Database, other: OtherTables | None = None) -> Iterator[tuple[str, Iterator[str]]]:
    """Every table's name and its rows, one JSON object a line, as they all stood at one moment; parents before children.

    The rows have to be read before the next name is asked for.
    """
    connection = db.engine.connect()
    with connection:
        if db.engine.dialect.name != "sqlite":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        else:
            connection = connection.execution_options(yunzhuo_reading=True)
        for table in _tables(connection, other).values():
            yield table.name, _lines(connection, table)


def load(
    db: Database,
    at_revision: str,
    tables: Iterable[tuple[str, Iterable[str]]],
    other: tuple[OtherTables, str] | None = None,
) -> None:
    """Fill an empty database, all or nothing, and bring it to this release's schema.

    ``tables`` in the order of :func:`read`; ``other`` are other tables and the revision that they were at. Raises ValueError
    for what no dump of ours holds.
    """
    migrate.prepare(db)
    try:
        command.upgrade(migrate.alembic_config(db), at_revision)
        if other is not None:
            other[0].upgrade(db, other[1])
        with db.engine.begin() as connection:
            known = _tables(connection, other[0] if other else None)
            for table in reversed(list(known.values())):
                connection.execute(table.delete())  # what migrations put in is part of the dump
            for name, lines in tables:
                if name not in known:
                    raise ValueError(f"there is no table {name}")
                _fill(connection, known[name], lines)
    except OperationalError:
        raise  # the database is to blame, not the dump
    except (CommandError, StatementError) as error:
        raise ValueError(str(error).partition("\n")[0]) from error
    migrate.upgrade(db)
    if other is not None:
        other[0].upgrade(db, "head")


def _tables(connection: Connection, other: OtherTables | None = None) -> Mapping[str, Table]:
    json_columns, left_out = _JSON_COLUMNS, {_VERSION_TABLE}
    if other is not None:
        json_columns, left_out = json_columns | _json_columns(other.metadata), {_VERSION_TABLE, other.version_table}
    metadata = MetaData()
    metadata.reflect(connection)
    for table in metadata.tables.values():
        for column in table.columns:
            if (table.name, column.name) in json_columns:
                column.type = JSON(none_as_null=True)  # to MariaDB it is a long text
    return {table.name: table for table in metadata.sorted_tables if table.name not in left_out}


def _lines(connection: Connection, table: Table) -> Iterator[str]:
    rows = connection.execution_options(yield_per=_AT_ONCE).execute(select(table).order_by(*table.primary_key.columns))
    for row in rows.mappings():
        yield json.dumps({name: _packed(value) for name, value in row.items()}, ensure_ascii=False, separators=(",", ":"))


def _fill(connection: Connection, table: Table, lines: Iterable[str]) -> None:
    rows: list[dict[str, object]] = []
    characters = 0
    for line in lines:
        row, characters = json.loads(line), characters + len(line)
        if not isinstance(row, dict) or not row.keys() <= set(table.columns.keys()):
            raise ValueError(f"this is no row of {table.name}")
        rows.append({name: _unpacked(value) for name, value in row.items()})
        if len(rows) == _AT_ONCE or characters > _CHARACTERS_AT_ONCE:
            connection.execute(insert(table), rows)
            rows, characters = [], 0
    if rows:
        connection.execute(insert(table), rows)


def _packed(value: object) -> object:
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    return {"$json": value} if isinstance(value, dict | list) else value


def _unpacked(value: object) -> object:
    match value:
        case {"$time": str(text)}:
            return datetime.fromisoformat(text)
        case {"$bytes": str(text)}:
            return base64.b64decode(text)
        case {"$json": kept}:
            return kept
        case _:
            return value
