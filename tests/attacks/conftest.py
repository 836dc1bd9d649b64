"""The victims: one installation for all attacks of a file; each test brings people of its own.

What is tried elsewhere, and where, stands in ``docs/reference/asvs.md``.
"""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.support.api import SECRET_KEY
from tests.support.installation import Installation, installation
from tests.support.pages import Visitor, signed_in, somebody
from yunzhuo.services.access import Actor, Role
from yunzhuo.web.app import create_app


@pytest.fixture(scope="module")
def yunzhuo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("attacked") / "var") as installed:
        yield installed


@pytest.fixture(scope="module")
def app(yunzhuo: Installation) -> Flask:
    return create_app(yunzhuo.services, secret_key=SECRET_KEY)


@pytest.fixture
def lin(yunzhuo: Installation) -> Actor:
    return somebody(yunzhuo, "lin")


@pytest.fixture
def boss(yunzhuo: Installation) -> Actor:
    return somebody(yunzhuo, "boss", Role.ADMINISTRATOR)


@pytest.fixture
def visitor(app: Flask, lin: Actor) -> Visitor:
    """Lin with a browser, signed in."""
    return signed_in(app, lin)
