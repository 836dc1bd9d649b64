"""Bring the license server's database to the schema of this release: the tables of accounts, then its own."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from yunzhuo.license.models import VendorBase
from yunzhuo.phoenix.db import migrate
from yunzhuo.phoenix.db.dump import OtherTables
from yunzhuo.phoenix.db.session import Database

#: Beside that of the other tree, in one database.
VERSION_TABLE = "license_alembic_version"


def alembic_config(db: Database) -> Config:
    """Alembic, with the license server's own migrations and this database."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["engine"] = db.engine
    return config


def upgrade_own(db: Database, revision: str) -> None:
    """Bring the license server's own tables to one revision of their tree."""
    command.upgrade(alembic_config(db), revision)


#: For backups.
OWN_TABLES = OtherTables(VendorBase.metadata, VERSION_TABLE, upgrade_own)


def upgrade(db: Database) -> None:
    """Apply every migration of both trees that is missing. Twice is harmless."""
    migrate.upgrade(db)
    upgrade_own(db, "head")
