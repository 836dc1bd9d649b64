"""The API over a whole installation: the real application, asked as programs ask it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from tests.support.api import SECRET_KEY, Api, api_of
from tests.support.installation import Installation, installation

from yunzhuo.services.access import Role
from yunzhuo.web.app import create_app


@pytest.fixture
def yunzhuo(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "home") as installed:
        yield installed


@pytest.fixture(scope="session")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A person's API on an installation that no test changes: for everything that is refused."""
    with installation(tmp_path_factory.mktemp("still") / "home") as installed:
        app = create_app(installed.services, secret_key=SECRET_KEY)
        api = api_of(app, installed.person("still"))
        api.desktop(name="still")
        yield api


@pytest.fixture
def app(yunzhuo: Installation) -> Flask:
    return create_app(yunzhuo.services, secret_key=SECRET_KEY)


@pytest.fixture
def anonymous(app: Flask) -> Api:
    return Api(app.test_client())


@pytest.fixture
def lin(yunzhuo: Installation, app: Flask) -> Api:
    return api_of(app, yunzhuo.person("lin"))


@pytest.fixture
def mei(yunzhuo: Installation, app: Flask) -> Api:
    return api_of(app, yunzhuo.person("mei"))


@pytest.fixture
def boss(yunzhuo: Installation, app: Flask) -> Api:
    return api_of(app, yunzhuo.person("boss", Role.ADMINISTRATOR))
