"""The API over a whole installation: the real application, asked as programs ask it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from tests.support.api import Api, api_of
from tests.support.installation import Installation, installation

from yunzhuo.services.access import Role
from yunzhuo.web.app import create_app

SECRET_KEY = "a key that signs the cookies of one test"


@pytest.fixture
def yunzhuo(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "home") as installed:
        yield installed


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
