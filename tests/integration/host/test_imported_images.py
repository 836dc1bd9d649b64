"""A disk from elsewhere becomes machines that its own boot loader starts."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.desktops import Desktops
from tests.drivers.waiting import eventually_is
from tests.support.local_cloud import HostProcess, local_settings
from yunzhuo.host.image_import import import_image
from yunzhuo.host.layout import Layout
from yunzhuo.phoenix.cloud.resources import ServerStatus
from yunzhuo.phoenix.common.clock import SystemClock

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]

# A boot loader that does nothing: hlt, and jmp back to it; then the mark by which the firmware knows one.
BOOT_SECTOR = b"\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostProcess]:
    """A host whose only image is an imported one."""
    (tmp_path / "disk.raw").write_bytes(BOOT_SECTOR.ljust(1024 * 1024, b"\0"))
    disk = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(tmp_path / "disk.raw"), str(disk)], check=True)
    settings = local_settings(tmp_path / "home")
    folder = Layout(settings.host_dir).images
    import_image(disk, folder, name="Mine", min_memory_mib=512, clock=SystemClock())
    host = HostProcess(settings)
    try:
        host.start()
        yield host
    finally:
        host.end_all()


def test_it_boots_by_itself_and_counts_as_ready_when_it_runs(host: HostProcess) -> None:
    with host.connected() as cloud:
        desktops = Desktops(cloud, 60)
        assert [image.name for image in cloud.images.list()] == ["Mine"]
        server = desktops.create_ready()
        assert not cloud.images.is_prepared(server.image_id, "small")
    assert host.signal(signal.SIGTERM) == 0
    host.start()
    with host.connected() as cloud:
        assert eventually_is(cloud, server.id, ServerStatus.RUNNING, 30).image_id == server.image_id
        assert cloud.guest.ready(server.id)
