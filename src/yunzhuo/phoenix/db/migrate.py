"""Bring the database to the schema of this release."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from yunzhuo.phoenix.db.session import Database


def alembic_config(db: Database) -> Config:
    """Alembic, with this release's migrations and this database."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["engine"] = db.engine
    return config


def upgrade(db: Database) -> None:
    """Apply every migration that is missing. Twice is harmless."""
    command.upgrade(alembic_config(db), "head")


def is_current(db: Database) -> bool:
    """Whether the database stands at this release's newest migration."""
    with db.engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    return present == ScriptDirectory.from_config(alembic_config(db)).get_current_head()
