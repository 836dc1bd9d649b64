"""The migrations make what the models say, forth and back, on every database, also on a filled one, beside older code."""

import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Engine, MetaData, Table, func, inspect, select, types
from sqlalchemy.dialects import mysql

from yunzhuo.phoenix.db import migrate
from yunzhuo.phoenix.db.base import Base
from yunzhuo.phoenix.db.session import Database

# Long stories, each on an installation of its own.
pytestmark = pytest.mark.slow

MIGRATIONS = Path(migrate.__file__).parent / "migrations"
NOW = datetime(2026, 3, 2, 8, 0, 0, 123456, tzinfo=UTC).replace(tzinfo=None)
ROWS = 3
HINT = "the release before uses it; name it in the migration's `contracts` once a whole release has not"


def config_of(db: Database | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    if db is not None:
        config.attributes["engine"] = db.engine
    return config


def revisions() -> list[str]:
    """All of them, oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(config_of(None)).walk_revisions()][::-1]


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.servers)])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'yunzhuo.db'}" if is_sqlite else request.getfixturevalue("mariadb").make_database()
    database = Database(url)
    yield database
    database.close()


def differences(db: Database) -> list[Any]:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))


def test_there_is_one_newest_migration() -> None:
    assert len(ScriptDirectory.from_config(config_of(None)).get_heads()) == 1


def test_migrations_make_what_the_models_say_forth_and_back(db: Database) -> None:
    for _ in range(2):
        migrate.upgrade(db)
        assert differences(db) == []
        assert migrate.is_current(db)
        command.downgrade(config_of(db), "base")
        assert inspect(db.engine).get_table_names() == ["alembic_version"]


@pytest.mark.parametrize("revision", revisions()[:-1])
def test_what_a_database_holds_outlives_an_upgrade_from_any_revision(db: Database, revision: str) -> None:
    migrate.prepare(db)
    command.upgrade(config_of(db), revision)
    before = fill(db.engine)
    migrate.upgrade(db)
    assert differences(db) == []
    after = content(db.engine)
    for table, rows in before.items():
        assert len(after[table]) == len(rows) >= ROWS, table  # a few tables come with rows of their own
        for old, new in zip(rows, after[table], strict=True):
            assert {name: new[name] for name in old.keys() & new.keys()} == {
                name: old[name] for name in old.keys() & new.keys()
            }


@pytest.mark.parametrize(("older", "newer"), list(zip(revisions(), revisions()[1:], strict=False)))
def test_code_of_the_revision_before_still_finds_what_it_uses(tmp_path: Path, older: str, newer: str) -> None:
    db = Database(f"sqlite:///{tmp_path / 'yunzhuo.db'}")
    command.upgrade(config_of(db), older)
    before = reflected(db.engine)
    command.upgrade(config_of(db), newer)
    after = reflected(db.engine)
    db.close()
    (file,) = (MIGRATIONS / "versions").glob(f"{newer}_*.py")
    spec = importlib.util.spec_from_file_location(f"migration_{newer}", file)
    assert spec is not None
    assert spec.loader is not None
    migration = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(migration)
    broken = set(breaks(before, after)) - set(getattr(migration, "contracts", ()))
    assert not broken, f"{newer}: {sorted(broken)}: {HINT}"


def breaks(before: MetaData, after: MetaData) -> Iterator[str]:
    """Tables and columns of the schema before that older code could not go on with."""
    for table in before.tables.values():
        new_table = after.tables.get(table.name)
        if new_table is None:
            yield table.name
            continue
        for column in table.columns:
            new = new_table.columns.get(column.name)
            if new is None or is_narrower(new, column):
                yield f"{table.name}.{column.name}"
        for column in new_table.columns:
            is_new = column.name not in table.columns
            if is_new and not column.nullable and column.server_default is None:
                yield f"{table.name}.{column.name}"


def is_narrower(new: Column[Any], old: Column[Any]) -> bool:
    """Whether a value that the old column took is refused by the new one."""
    if old.nullable and not new.nullable:
        return True
    old_length, new_length = getattr(old.type, "length", None), getattr(new.type, "length", None)
    is_shorter = new_length is not None and (old_length is None or new_length < old_length)
    return is_shorter or old.type.python_type is not new.type.python_type


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("DROP TABLE t", "t"),
        ("ALTER TABLE t DROP COLUMN a", "t.a"),
        ("ALTER TABLE t RENAME COLUMN a TO b", "t.a"),
        ("ALTER TABLE t ADD COLUMN c INTEGER NOT NULL DEFAULT 1", None),
        ("ALTER TABLE t ADD COLUMN c INTEGER", None),
        ("DROP TABLE t; CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(9), n INTEGER)", "t.a"),
        ("DROP TABLE t; CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(10), n INTEGER NOT NULL)", "t.n"),
        ("DROP TABLE t; CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(10), n INTEGER, c TEXT NOT NULL)", "t.c"),
    ],
)
def test_what_older_code_could_not_go_on_with_is_found(tmp_path: Path, change: str, found: str | None) -> None:
    db = Database(f"sqlite:///{tmp_path / 'yunzhuo.db'}")
    with db.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(10), n INTEGER)")
    before = reflected(db.engine)
    with db.engine.begin() as connection:
        for statement in change.split(";"):
            connection.exec_driver_sql(statement)
    assert list(breaks(before, reflected(db.engine))) == ([found] if found else [])
    db.close()


def reflected(engine: Engine) -> MetaData:
    """The schema as the database has it, without Alembic's own table."""
    metadata = MetaData()
    metadata.reflect(engine)
    metadata.remove(metadata.tables["alembic_version"]) if "alembic_version" in metadata.tables else None
    return metadata


def fill(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """A few rows in every table that there is, referring to each other; answers the tables' content."""
    tables = reflected(engine).sorted_tables
    with engine.begin() as connection:
        for table in tables:
            # Where a migration wrote rows of its own, ours come behind them.
            there = connection.scalar(select(func.count()).select_from(table)) or 0
            for number in range(there, there + ROWS):
                made = {column.name: value_for(column, number) for column in table.columns}
                connection.execute(table.insert().values(made))
    return content(engine)


def value_for(column: Column[Any], number: int) -> Any:
    """Something that fits, other than in any other row; where it refers to a row, that row's."""
    for key in column.foreign_keys:
        return value_for(key.column, number)
    if isinstance(column.type, types.DateTime):
        return NOW
    if isinstance(column.type, types.Date):
        return (NOW + timedelta(days=number)).date()
    if isinstance(column.type, types.Boolean):
        return number % 2 == 1
    if isinstance(column.type, types.Integer | types.Float):
        return number + 1
    if isinstance(column.type, types.Float):
        return number + 0.5
    if isinstance(column.type, types.JSON):
        return {}
    if isinstance(column.type, types.Text | mysql.LONGTEXT):
        return "{}"  # MariaDB's JSON
    length = getattr(column.type, "length", None)
    return f"{number} {column.table.name} 桌面"[:length]


def content(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, in the order of their keys."""
    tables = reflected(engine).sorted_tables
    with engine.connect() as connection:
        return {table.name: rows(connection.execute(ordered(table)).mappings()) for table in tables}


def ordered(table: Table) -> Any:
    return select(table).order_by(*table.primary_key.columns)


def rows(found: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in found]
