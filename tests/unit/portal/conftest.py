"""The portal in one process: the real application over a real installation on the memory cloud.

One installation serves all tests of a file; each test brings people of its own.
"""

from collections.abc import Iterator

import pytest
from flask import Flask
from tests.support.installation import Installation, installation
from tests.support.pages import Visitor, signed_in, somebody

from yunzhuo.services.access import Actor, Role
from yunzhuo.web.app import create_app


@pytest.fixture(scope="module")
def yunzhuo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("portal") / "var", accounts={"attempts_per_account": 3}) as installed:
        yield installed


@pytest.fixture(scope="module")
def app(yunzhuo: Installation) -> Flask:
    return create_app(yunzhuo.services, secret_key="a key that signs the cookies of one test")


@pytest.fixture
def stranger(app: Flask) -> Visitor:
    """Somebody who is not signed in."""
    return Visitor(app.test_client())


@pytest.fixture
def lin(yunzhuo: Installation) -> Actor:
    return somebody(yunzhuo, "lin")


@pytest.fixture
def visitor(app: Flask, lin: Actor) -> Visitor:
    """Lin with a browser, signed in."""
    return signed_in(app, lin)


@pytest.fixture
def administrator(app: Flask, yunzhuo: Installation) -> Visitor:
    return signed_in(app, somebody(yunzhuo, "head", Role.OPERATOR))
