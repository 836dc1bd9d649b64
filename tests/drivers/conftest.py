"""One suite for every driver: a test that asks for ``cloud`` runs once on each driver that offers what it ``needs``."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest

from tests.drivers.desktops import Desktops
from tests.drivers.driver_table import ALL, DRIVERS, Driver
from tests.drivers.verified import noting, write_down
from tests.support.committed_page import REFRESH_VARIABLE
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Server


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*operations): runs only on drivers that offer these operations")
    config.addinivalue_line("markers", "kills_hosts: runs only on drivers whose hosts are ours to kill")
    config.addinivalue_line("markers", "lacks(operation): runs only on drivers that do not offer this operation")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get(REFRESH_VARIABLE) and session.testscollected:
        write_down()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "driver" in metafunc.fixturenames:
        drivers = [pytest.param(driver, id=driver.name, marks=driver.marks) for driver in DRIVERS]
        metafunc.parametrize("driver", drivers, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that have nothing to say about a driver, as it offers too little (or too much) for them."""
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        (kept if _is_meant(item) else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def _is_meant(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    driver = callspec.params.get("driver") if callspec else None
    if not isinstance(driver, Driver):
        return True
    if driver.without_host is None and item.get_closest_marker("kills_hosts"):
        return False
    return driver.offers >= _marked(item, "needs") and driver.offers.isdisjoint(_marked(item, "lacks"))


def _marked(item: pytest.Item, marker_name: str) -> set[str]:
    operations = {operation for marker in item.iter_markers(marker_name) for operation in marker.args}
    if unknown := operations - ALL:
        raise pytest.UsageError(f"{item.nodeid}: the interface has no {', '.join(sorted(unknown))}")
    return operations


@pytest.fixture(scope="session")
def driver(request: pytest.FixtureRequest) -> Driver:
    """The driver under test."""
    driver: Driver = request.param
    return driver


@pytest.fixture(scope="session")
def connected(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A connected cloud of the driver, as it is."""
    with driver.connect(tmp_path_factory.mktemp(driver.name)) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def cloud(driver: Driver, connected: Cloud) -> Iterator[Cloud]:
    """It with its calls noted, the same for all its tests in this process."""
    with noting(driver.name, connected) as noted:
        yield noted


@pytest.fixture
def without_host(driver: Driver, connected: Cloud) -> Callable[[str], AbstractContextManager[None]]:
    """Keeps a host from being heard of; for tests that are marked ``kills_hosts``."""
    assert driver.without_host is not None
    return partial(driver.without_host, connected)


@pytest.fixture
def desktops(cloud: Cloud, driver: Driver) -> Iterator[Desktops]:
    """Makes servers, and removes them after the test."""
    with Desktops(cloud, driver.patience_seconds).all_removed() as desktops:
        yield desktops


@pytest.fixture(scope="session")
def shared_server(cloud: Cloud, driver: Driver) -> Iterator[Server]:
    """A server with a ready guest that many tests look at and none changes the status of."""
    with Desktops(cloud, driver.patience_seconds).all_removed() as desktops:
        yield desktops.create_ready()


@pytest.fixture
def patience(driver: Driver) -> float:
    """Seconds that a change may take."""
    return driver.patience_seconds
