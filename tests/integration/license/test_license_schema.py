"""The license server's own migrations make what its models say, beside the tables of accounts, forth and back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from yunzhuo.license import schema
from yunzhuo.license.models import VendorBase
from yunzhuo.phoenix.db import migrate
from yunzhuo.phoenix.db.session import Database

pytestmark = pytest.mark.slow
OWN = set(VendorBase.metadata.tables)


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.servers)])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    is_sqlite = request.param == "sqlite"
    database = Database(f"sqlite:///{tmp_path / 'x.db'}" if is_sqlite else request.getfixturevalue("mariadb").make_database())
    yield database
    database.close()


def differences(db: Database) -> list[Any]:
    """What the models say of their own tables and the database does not."""
    options = {"compare_type": True, "include_name": lambda name, kind, parents: kind != "table" or name in OWN}
    with db.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), VendorBase.metadata))


def test_migrations_make_what_the_models_say_forth_and_back(db: Database) -> None:
    for _ in range(2):
        schema.upgrade(db)
        assert differences(db) == []
        assert migrate.is_current(db)
        command.downgrade(schema.alembic_config(db), "base")
        assert not OWN & set(inspect(db.engine).get_table_names())
        assert migrate.is_current(db)  # the other tree is not touched
