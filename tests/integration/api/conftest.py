"""The API over a whole installation: the real application, asked as programs ask it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from tests.support.api import SECRET_KEY, Api, Template, make_template
from tests.support.installation import Installation, installation

from yunzhuo.web.app import create_app


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture(scope="session")
def still(tmp_path_factory: pytest.TempPathFactory, template: Template) -> Iterator[Api]:
    """A person's API on an installation that no test changes: for everything that is refused."""
    with installation(template.copy_to(tmp_path_factory.mktemp("still") / "home")) as installed:
        api = Api(create_app(installed.services, secret_key=SECRET_KEY).test_client(), template.tokens["lin"])
        api.desktop(name="still")
        yield api


@pytest.fixture
def yunzhuo(tmp_path: Path, template: Template) -> Iterator[Installation]:
    with installation(template.copy_to(tmp_path / "home")) as installed:
        yield installed


@pytest.fixture
def app(yunzhuo: Installation) -> Flask:
    return create_app(yunzhuo.services, secret_key=SECRET_KEY)


@pytest.fixture
def anonymous(app: Flask) -> Api:
    return Api(app.test_client())


@pytest.fixture
def lin(app: Flask, template: Template) -> Api:
    return Api(app.test_client(), template.tokens["lin"])


@pytest.fixture
def mei(app: Flask, template: Template) -> Api:
    return Api(app.test_client(), template.tokens["mei"])


@pytest.fixture
def boss(app: Flask, template: Template) -> Api:
    return Api(app.test_client(), template.tokens["boss"])
