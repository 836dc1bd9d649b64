"""Bring the license server's database to the schema of this release: the tables of accounts, then its own."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from yunzhuo.phoenix.db import migrate
from yunzhuo.phoenix.db.session import Database

#: Beside that of the other tree, in one database.
VERSION_TABLE = "license_alembic_version"


def alembic_config(db: Database) -> Config:
    """Alembic, with the license server's own migrations and this database."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["engine"] = db.engine
    return config


def upgrade(db: Database) -> None:
    """Apply every migration of both trees that is missing. Twice is harmless."""
    migrate.upgrade(db)
    command.upgrade(alembic_config(db), "head")
