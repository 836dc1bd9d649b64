"""The migrations make what the models say, forth and back."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from yunzhuo.phoenix.db import migrate
from yunzhuo.phoenix.db.base import Base
from yunzhuo.phoenix.db.session import Database

MIGRATIONS = Path(migrate.__file__).parent / "migrations"


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'yunzhuo.db'}")


def test_there_is_one_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1


def test_migrations_make_what_the_models_say_forth_and_back(db: Database) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = db.engine
    for _ in range(2):
        migrate.upgrade(db)
        with db.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        command.downgrade(config, "base")
        assert inspect(db.engine).get_table_names() == ["alembic_version"]
    db.close()
