"""Bring the database to the schema of this release."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from yunzhuo.phoenix.common.errors import Inconsistent
from yunzhuo.phoenix.db.session import Database

# Compares byte by byte, as SQLite does: "a" is not "A" and not "a ". MySQL calls it utf8mb4_0900_bin.
_COLLATIONS = {"mariadb": "utf8mb4_nopad_bin", "mysql": "utf8mb4_0900_bin"}


def alembic_config(db: Database) -> Config:
    """Alembic, with this release's migrations and this database."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["engine"] = db.engine
    return config


def upgrade(db: Database) -> None:
    """Apply every migration that is missing. Twice is harmless."""
    prepare(db)
    command.upgrade(alembic_config(db), "head")


def prepare(db: Database) -> None:
    """What has to hold before any table is made. Twice is harmless."""
    with db.engine.begin() as connection:
        _compare_byte_by_byte(connection)


def _compare_byte_by_byte(connection: Connection) -> None:
    """Whatever collation the database was made with: ids, keys and names are told apart by every byte.

    Raises Inconsistent when there are tables already that do otherwise.
    """
    dialect = connection.dialect
    if dialect.name not in _COLLATIONS:
        return
    collation = _COLLATIONS["mariadb" if getattr(dialect, "is_mariadb", False) else "mysql"]
    if connection.scalar(text("SELECT @@collation_database")) != collation:
        connection.execute(text(f"ALTER DATABASE CHARACTER SET utf8mb4 COLLATE {collation}"))
    other = connection.scalars(
        text(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
            " AND table_type = 'BASE TABLE' AND table_collation <> :collation"
        ),
        {"collation": collation},
    ).all()
    if other:
        # Columns that refer to each other cannot be converted one by one, and equal names may have been taken for one.
        raise Inconsistent(
            "database_collation",
            f"These tables were made with another collation than {collation}: {', '.join(sorted(other))}. Restore a backup"
            " into a new database.",
        )


def is_current(db: Database) -> bool:
    """Whether the database stands at this release's newest migration."""
    with db.engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    return present == ScriptDirectory.from_config(alembic_config(db)).get_current_head()
