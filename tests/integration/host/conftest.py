"""Host processes with real machines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.desktops import Desktops
from tests.support.local_cloud import HostProcess, host_process, local_settings
from yunzhuo.phoenix.cloud.interface import Cloud

PATIENCE_SECONDS = 240.0


@pytest.fixture(scope="module")
def module_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    """A host that all tests of a module use; a test may kill its process."""
    with host_process(local_settings(tmp_path_factory.mktemp("host"))) as host:
        yield host


@pytest.fixture
def host(module_host: HostProcess) -> HostProcess:
    """The module's host, running."""
    module_host.start_if_ended()
    return module_host


@pytest.fixture
def cloud(host: HostProcess) -> Iterator[Cloud]:
    with host.connected() as cloud:
        yield cloud


@pytest.fixture
def desktops(host: HostProcess, cloud: Cloud) -> Iterator[Desktops]:
    """Makes servers; afterwards the host runs and they are gone."""
    desktops = Desktops(cloud, PATIENCE_SECONDS)
    yield desktops
    host.start_if_ended()
    with desktops.all_removed():
        pass


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state folder for hosts that a test starts itself."""
    return tmp_path / "var"
