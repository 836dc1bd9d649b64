"""No room, no QEMU, a broken image, paths without end: a clear error, and nothing left behind."""

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from tests.drivers.desktops import Desktops
from tests.drivers.waiting import eventually_is
from tests.integration.host.conftest import PATIENCE_SECONDS
from tests.support.local_cloud import SMALL, HostProcess, host_process, local_settings, put_image
from tests.support.waiting import eventually
from yunzhuo.host import sockets
from yunzhuo.phoenix.cloud.errors import CloudUnavailable, NoCapacity
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol, ServerStatus
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.config.settings import Settings

pytestmark = [pytest.mark.machine, pytest.mark.timeout(900)]


def nothing_is_left(settings: Settings) -> bool:
    return list((settings.host_dir / "desktops").iterdir()) == []


@pytest.mark.parametrize(("reserve", "word"), [("memory_reserve_mib", "memory"), ("disk_reserve_mib", "disk")])
def test_no_room_is_refused_in_a_sentence(home: Path, reserve: str, word: str) -> None:
    settings = local_settings(home, prepared_flavors=(), **{reserve: 10**9})
    with host_process(settings, with_golden=False) as host, host.connected() as cloud:
        with pytest.raises(NoCapacity, match=word):
            Desktops(cloud, PATIENCE_SECONDS).create()
        assert cloud.servers.list() == ()
        assert nothing_is_left(settings)


def test_what_qemu_says_is_in_the_error(home: Path) -> None:
    settings = local_settings(home, prepared_flavors=())
    image = put_image(settings)
    disk = settings.host_dir / "images" / image.id / "disk.qcow2"
    disk.unlink()
    disk.write_text("this is no disk")
    with host_process(settings, with_golden=False) as host, host.connected() as cloud:
        with pytest.raises(CloudUnavailable, match=r"QEMU did not start: .*qcow2"):
            Desktops(cloud, PATIENCE_SECONDS).create()
        assert nothing_is_left(settings)


def test_a_golden_that_cannot_be_built_is_reported_and_tried_rarely(home: Path) -> None:
    settings = local_settings(home, cache=str(home / "cache"))
    image = put_image(settings)
    disk = settings.host_dir / "images" / image.id / "disk.qcow2"
    disk.unlink()
    disk.write_text("this is no disk")
    with host_process(settings, with_golden=False) as host, host.connected() as cloud:
        eventually(lambda: any("small" in problem for problem in cloud.hosts.list()[0].problems), 30)
        assert not cloud.images.is_prepared(image.id, "small")
        assert host.log.count("golden_build_failed") == 1


def test_without_qemu_the_host_says_what_to_install(home: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("unshare", "nsenter", "setpriv", "sleep", "true", "nice"):
        (tools / name).symlink_to(shutil.which(name) or name)
    settings = local_settings(home)
    put_image(settings)
    host = HostProcess(settings, path=str(tools))
    host.start()
    try:
        with host.connected() as cloud:
            with pytest.raises(CloudUnavailable, match="install qemu-system-x86"):
                Desktops(cloud, PATIENCE_SECONDS).create()
            problems = " ".join(cloud.hosts.list()[0].problems)
            assert "QEMU is not installed" in problems
            assert "slirp4netns is not installed" in problems
            assert nothing_is_left(settings)
    finally:
        host.end_all()


def test_a_hostname_that_is_none_is_refused(home: Path) -> None:
    settings = local_settings(home, prepared_flavors=())
    with host_process(settings, with_golden=False) as host, host.connected() as cloud:
        for hostname in ("", "-", "two words", "pc\nmachine-id 0", "x" * 64, "pc.school"):
            with pytest.raises(InvalidInput, match="hostname"):
                Desktops(cloud, PATIENCE_SECONDS).create(hostname=hostname)
        assert nothing_is_left(settings)


def test_without_an_image_the_host_says_so(home: Path) -> None:
    host = HostProcess(local_settings(home))
    host.start()
    try:
        with host.connected() as cloud:
            assert cloud.images.list() == ()
            assert any("no image" in problem for problem in cloud.hosts.list()[0].problems)
    finally:
        host.end_all()


def test_without_its_qemu_user_the_host_ends_with_one_clear_line(home: Path) -> None:
    if os.geteuid() != 0:
        return  # only root changes to another user
    host = HostProcess(local_settings(home, qemu_user="yunzhuo-nobody-has-this"))
    host.start_without_waiting()
    assert host.wait() == 1
    assert "useradd" in host.log


def test_a_damaged_golden_is_cloned_no_more(home: Path) -> None:
    settings = local_settings(home)
    with host_process(settings) as host, host.connected() as cloud:
        desktops = Desktops(cloud, PATIENCE_SECONDS)
        with desktops.all_removed():
            server = desktops.create_ready()
            host.kill()
            (golden,) = (settings.host_dir / "goldens").iterdir()
            (golden / "state").unlink()
            host.start()
            # The desktop that stands on it goes on; a whole one comes from the cache or is built.
            assert cloud.servers.get(server.id).status is ServerStatus.RUNNING
            eventually(lambda: cloud.images.is_prepared(server.image_id, "small"), PATIENCE_SECONDS)
            cloud.servers.stop(server.id)
            eventually_is(cloud, server.id, ServerStatus.STOPPED, 60)
            cloud.servers.start(server.id)
            desktops.wait_ready(server.id)


def test_a_state_folder_of_any_depth_works(tmp_path: Path) -> None:
    home = tmp_path.joinpath(*[f"{'deep' * 8}-{number}" for number in range(5)])
    assert len(str(home)) > 150
    with host_process(local_settings(home)) as host, host.connected() as cloud:
        desktops = Desktops(cloud, PATIENCE_SECONDS)
        with desktops.all_removed():
            server = desktops.create_ready()
            host.kill()
            host.start()
            console = cloud.servers.console(server.id, ConsoleProtocol.VNC)
            assert console.unix_path is not None
            with sockets.connect(Path(console.unix_path)) as screen:
                screen.setblocking(True)
                assert screen.recv(12, socket.MSG_WAITALL) == b"RFB 003.008\n"


def test_the_state_folder_can_be_moved(tmp_path: Path) -> None:
    settings = local_settings(tmp_path / "before")
    with host_process(settings) as host, host.connected() as cloud:
        desktops = Desktops(cloud, PATIENCE_SECONDS)
        server = desktops.create_ready()
        cloud.guest.write_file(server.id, "/root/kept", b"yes")
        cloud.servers.stop(server.id)
        eventually_is(cloud, server.id, ServerStatus.STOPPED, 60)
        host.signal()
        shutil.move(tmp_path / "before", tmp_path / "after")
    with host_process(local_settings(tmp_path / "after"), with_golden=False) as host, host.connected() as cloud:
        desktops = Desktops(cloud, PATIENCE_SECONDS)
        cloud.servers.start(server.id)
        desktops.wait_ready(server.id)
        assert cloud.guest.read_file(server.id, "/root/kept", max_bytes=10) == b"yes"
        cloud.servers.delete(server.id)


def test_a_flavor_that_left_the_settings_keeps_its_servers(home: Path) -> None:
    settings = local_settings(home)
    with host_process(settings) as host:
        with host.connected() as cloud:
            server = Desktops(cloud, PATIENCE_SECONDS).create_running()
        host.kill()
        renamed = SMALL.model_copy(update={"id": "tiny"})
        host.settings = local_settings(home, flavors=(renamed,), prepared_flavors=())
        host.start()
        with host.connected() as cloud:
            assert [flavor.id for flavor in cloud.flavors.list()] == ["tiny"]
            assert cloud.servers.get(server.id).flavor_id == "small"
            record = json.loads((settings.host_dir / "desktops" / server.id / "server.json").read_text())
            assert (record["vcpus"], record["memory_mib"]) == (SMALL.vcpus, SMALL.memory_mib)
            cloud.servers.delete(server.id)
