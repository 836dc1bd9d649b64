"""Services with what ships: SQLite, the memory cloud, the folder queue."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.installation import Installation, installation

from yunzhuo.services.access import Actor, Role


@pytest.fixture
def yunzhuo(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "home") as installed:
        yield installed


@pytest.fixture
def lin(yunzhuo: Installation) -> Actor:
    return yunzhuo.person("lin")


@pytest.fixture
def mei(yunzhuo: Installation) -> Actor:
    return yunzhuo.person("mei")


@pytest.fixture
def boss(yunzhuo: Installation) -> Actor:
    return yunzhuo.person("boss", Role.ADMINISTRATOR)
