"""What a host process makes of what an earlier one left: halves, damage, and machines that are only pretended."""

import asyncio
import errno
import os
import signal
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.left_host import (
    NOW,
    SlowDisks,
    keep,
    left,
    left_volume,
    pretended,
    recorded,
    settings_with_image,
    snapshot,
    started,
    tags,
)
from tests.support.pretended_qemu import refuses
from tests.support.waiting import until
from yunzhuo.host.layout import DISK_NAME, MEMORY_NAME
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.servers import as_cloud_error
from yunzhuo.host.store import Phase, SavedMemory, SnapshotPhase, Wanted, save_record
from yunzhuo.host.volume_store import Plugged
from yunzhuo.phoenix.cloud.errors import (
    CloudNotOffered,
    CloudUnavailable,
    NoCapacity,
    ServerBusy,
    ServerNotFound,
    SnapshotNotFound,
    VolumeNotFound,
)
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol, RebootKind, ServerRequest, ServerStatus
from yunzhuo.phoenix.common.errors import InvalidInput, LimitReached, NotFound, YunzhuoError
from yunzhuo.phoenix.config.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with_image(tmp_path / "var")


async def test_snapshots_that_were_begun_are_finished_as_the_disk_says(settings: Settings) -> None:
    begun = (
        snapshot("in", SnapshotPhase.TAKING),
        snapshot("not-in", SnapshotPhase.TAKING),
        snapshot("out", SnapshotPhase.GOING),
    )
    folder = left(settings, "s1", snapshots=(*begun, snapshot("old", SnapshotPhase.STANDING)))
    for tag in ("in", "out", "old"):
        keep(folder, tag)
    async with started(settings) as host:
        await until(lambda: [kept.id for kept in host.snapshots.list("s1")] == ["in", "old"] and " out " not in tags(folder))
        assert host.servers.get("s1").status is ServerStatus.STOPPED


async def test_a_roll_back_that_was_begun_ends_and_one_that_fails_says_so(settings: Settings) -> None:
    kept = snapshot("kept", SnapshotPhase.STANDING)
    for server_id in ("whole", "torn"):
        left(settings, server_id, snapshots=(kept,), rolling_back_to="kept", disk_mib=8)
    keep(settings.host_dir / "desktops" / "whole", "kept")
    async with started(settings) as host:
        await until(lambda: "could not be rolled back" in (host.servers.get("torn").fault or ""))
        await until(lambda: recorded("whole", settings).rolling_back_to is None)
        assert host.servers.get("whole").fault is None
        with pytest.raises(SnapshotNotFound):
            await host.snapshots.roll_back("whole", "unknown")
        await host.snapshots.delete("whole", "unknown")


async def test_damaged_and_half_folders_are_told_or_tidied(settings: Settings) -> None:
    (left(settings, "damaged") / "server.json").write_text("{")
    (left(settings, "no-secrets") / "secrets.json").write_text("{}")
    (left(settings, "unwritten") / "server.json").unlink()
    gone = left(settings, ".gone-one")
    (left_volume(settings, "v-damaged") / "volume.json").write_text("{")
    (left_volume(settings, "v-unwritten") / "volume.json").unlink()
    left_volume(settings, "v-torn", restoring_to="nothing-of-that-name")
    async with started(settings) as host:
        assert host.servers.list() == []
        assert [volume.id for volume in host.volumes.list()] == ["v-torn"]
        problems = " ".join(host.hosts()[0].problems)
        assert all(name in problems for name in ("/damaged cannot", "/no-secrets cannot", "/v-damaged cannot"))
        assert "unwritten" not in problems
    assert not gone.exists()
    assert sorted(path.name for path in gone.parent.iterdir()) == ["damaged", "no-secrets"]


async def test_memory_that_does_not_fit_any_more_is_not_resumed(settings: Settings) -> None:
    saved = SavedMemory(key="of another QEMU", saved_at=NOW, size_bytes=5, desktop_was_up=True)
    for server_id, content in (("short", b"1"), ("another", b"12345")):
        folder = left(settings, server_id, wanted=Wanted.RUNNING, saved=saved)
        (folder / MEMORY_NAME).write_bytes(content)
    async with started(settings) as host:
        for server_id in ("short", "another"):
            assert host.servers.get(server_id).status is ServerStatus.STOPPED
            assert "cannot be brought back" in (host.servers.get(server_id).fault or "")
            assert recorded(server_id, settings).wanted is Wanted.SUSPENDED
            with pytest.raises(ServerBusy, match="cannot be brought back"):
                await host.suspension.resume(server_id)
        await host.suspension.look_again()
        assert host.servers.get("short").status is ServerStatus.STOPPED


async def test_what_is_not_there_is_not_there_and_removing_it_is_no_error(settings: Settings) -> None:
    left(settings, "s1")
    async with started(settings) as host:
        await host.servers.delete("unknown")
        await host.snapshots.delete("unknown", "one")
        await host.volumes.delete("unknown")
        await host.volumes.detach("unknown", "s1", force=False)
        await host.volumes.delete_snapshot("unknown", "one")
        with pytest.raises(ServerNotFound):
            await host.snapshots.take("unknown", "one")
        with pytest.raises(VolumeNotFound):
            await host.volumes.attach("unknown", "s1")
        with pytest.raises(CloudNotOffered):
            host.servers.console("s1", ConsoleProtocol.RDP)
        with pytest.raises(ServerBusy):
            host.servers.console("s1", ConsoleProtocol.VNC)
        with pytest.raises(ServerBusy):
            host.servers.cpu_seconds("s1")
        await host.servers.delete("s1")
        assert host.servers.list() == []


async def test_a_machine_whose_host_process_died_is_served_again(settings: Settings) -> None:
    folder = left(settings, "s1", wanted=Wanted.RUNNING)
    async with pretended(folder) as qemu:
        qemu.answers["query-status"] = {"status": "paused"}
        async with started(settings) as host:
            assert host.servers.get("s1").status is ServerStatus.RUNNING
            assert recorded("s1", settings).process == qemu.identity
            assert "cont" in qemu.heard
            assert host.servers.cpu_seconds("s1") >= 0
            with pytest.raises(ServerBusy, match="screen is not there"):
                host.servers.console("s1", ConsoleProtocol.SPICE)
            qemu.die(signal.SIGKILL)
            await until(lambda: host.servers.get("s1").status is ServerStatus.STOPPED and host.servers.get("s1").fault)


async def test_of_machines_that_cannot_be_served_none_is_left(settings: Settings) -> None:
    folders = [left(settings, name, wanted=Wanted.RUNNING) for name in ("mute", "strange", "closed", "saved", "half")]
    saved = SavedMemory(key="k", saved_at=NOW, size_bytes=5, desktop_was_up=True)
    save_record(folders[3], recorded("saved", settings).but(saved=saved, wanted=Wanted.SUSPENDED))
    save_record(folders[4], recorded("half", settings).but(phase=Phase.FAILED))
    async with AsyncExitStack() as stack:
        mute, strange, closed, held, half = [await stack.enter_async_context(pretended(folder)) for folder in folders]
        (folders[0] / "monitor.sock").unlink()
        strange.answers["query-name"] = {"name": "another"}
        closed.answers["set_password"] = refuses("no such display")
        async with started(settings) as host:
            statuses = {server.id: server.status for server in host.servers.list()}
            assert ServerStatus.RUNNING not in statuses.values()
            assert statuses["half"] is ServerStatus.ERROR
            assert "ended while the host process was away" in (host.servers.get("mute").fault or "")
        for qemu in (mute, strange, closed, held, half):
            assert await asyncio.to_thread(qemu.process.wait, 5) is not None


async def test_a_server_that_cannot_be_suspended_runs_on(settings: Settings) -> None:
    folder = left(settings, "s1", wanted=Wanted.SUSPENDED, state_key="k")
    async with pretended(folder) as qemu:
        qemu.migrates_to = "failed"
        async with started(settings) as host:
            await until(lambda: "could not be suspended" in (host.servers.get("s1").fault or ""))
            assert host.servers.get("s1").status is ServerStatus.RUNNING
            assert qemu.heard[-1] == "cont"
            assert not (folder / MEMORY_NAME).exists()


async def test_a_snapshot_that_qemu_cannot_take_leaves_no_trace(settings: Settings) -> None:
    folder = left(settings, "s1", wanted=Wanted.RUNNING, state_key="k")
    async with pretended(folder) as qemu, started(settings) as host:
        qemu.jobs["snapshot-save"] = "No space left on device"
        with pytest.raises(MachineFailed, match="No space left"):
            await host.snapshots.take("s1", "one")
        assert host.snapshots.list("s1") == []
        assert host.servers.get("s1").status is ServerStatus.RUNNING


async def test_a_volume_is_settled_with_the_machine_that_has_it(settings: Settings) -> None:
    folder = left(settings, "s1", wanted=Wanted.RUNNING)
    async with pretended(folder) as qemu:
        for volume_id, is_whole in (("begun", False), ("let-go", True)):
            left_volume(settings, volume_id, plugged=Plugged(server_id="s1", process=qemu.identity, is_whole=is_whole))
        left_volume(settings, "of-another", plugged=Plugged(server_id="gone", process=qemu.identity))
        async with started(settings) as host:
            holders = {volume.id: volume.server_id for volume in host.volumes.list()}
            assert holders == {"begun": "s1", "let-go": None, "of-another": None}
            qemu.answers["device_add"] = refuses("no free slot")
            with pytest.raises(MachineFailed, match="no free slot"):
                await host.volumes.attach("let-go", "s1")
            assert host.volumes.get("let-go").server_id is None


async def test_a_server_in_error_is_brought_back_by_what_makes_it_anew_alone(settings: Settings) -> None:
    left(settings, "s1", disk_mib=4096, phase=Phase.FAILED, fault="it broke")
    async with started(settings) as host:
        with pytest.raises(ServerBusy, match="in error"):
            await host.power.start("s1")
        with pytest.raises(ServerBusy, match="does not run"):
            await host.power.reboot("s1", RebootKind.SOFT)
        with pytest.raises(YunzhuoError):  # nothing can be started from the image
            await host.power.reboot("s1", RebootKind.HARD)
        assert host.servers.get("s1").status is ServerStatus.ERROR
        await host.reshaping.rebuild("s1", "light-1")
        await until(lambda: host.servers.get("s1").status is ServerStatus.ERROR)
        assert "could not be rebuilt" in (host.servers.get("s1").fault or "")
        assert recorded("s1", settings).phase is Phase.FAILED


async def test_a_resize_that_cannot_be_changes_nothing_but_the_fault(settings: Settings) -> None:
    folder = left(settings, "s1", disk_mib=4096)
    left(settings, "larger", disk_mib=9000)
    async with started(settings) as host:
        await host.reshaping.resize("s1", "small")
        assert host.servers.get("s1").status is ServerStatus.STOPPED
        with pytest.raises(InvalidInput, match="cannot become smaller"):
            await host.reshaping.resize("larger", "medium")
        (folder / DISK_NAME).write_bytes(b"no disk")
        await host.reshaping.resize("s1", "medium")
        await until(lambda: recorded("s1", settings).fault)
        assert "could not be resized" in (host.servers.get("s1").fault or "")
        now = recorded("s1", settings)
        assert (now.flavor_id, now.disk_mib, now.next_flavor) == ("small", 4096, None)


async def test_a_wish_that_cannot_be_written_down_is_none(settings: Settings) -> None:
    folder = left(settings, "s1", wanted=Wanted.RUNNING)
    async with pretended(folder) as qemu, started(settings) as host:
        (folder / "server.json").unlink()
        (folder / "server.json").mkdir()
        (folder / "server.json" / "in the way").touch()
        with pytest.raises(OSError, match="directory"):
            await host.power.stop("s1")
        assert host.servers.get("s1").status is ServerStatus.RUNNING
        assert "system_powerdown" not in qemu.heard


async def test_a_server_that_is_deleted_while_it_is_made_was_never_there(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_disks = SlowDisks(tmp_path, monkeypatch)
    async with started(settings) as host:
        request = ServerRequest("desktop", "PC", "pc", "light-1", "small")
        for wrong, error in ((replace(request, hostname="a b"), InvalidInput), (replace(request, network_id="moon"), NotFound)):
            with pytest.raises(error):
                await host.servers.create(wrong)
        given_up, waits = (asyncio.create_task(host.servers.create(request)) for _ in range(2))
        await until(slow_disks.begun.exists)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        (server,) = host.servers.list()
        deleting = [asyncio.create_task(host.servers.delete(server.id)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ServerBusy, match="just being deleted"):
            await host.servers.create(request)
        slow_disks.let_end()
        await asyncio.gather(*deleting)
        with pytest.raises(ServerBusy, match="deleted while it was being made"):
            await waits
        assert host.servers.list() == []
        assert list((settings.host_dir / "desktops").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "error"), [(44, NotFound), (47, InvalidInput), (48, LimitReached), (1, CloudUnavailable), (127, CloudUnavailable)]
)
async def test_what_a_guest_cannot_do_with_files_is_told(settings: Settings, code: int, error: type[YunzhuoError]) -> None:
    folder = left(settings, "s1", wanted=Wanted.RUNNING)
    async with pretended(folder) as qemu, started(settings) as host:
        qemu.program_ends(code, err=b"sh: no")
        with pytest.raises(error):
            await host.files.write_piece("s1", "Downloads/a.txt", b"content", offset=5)
        told = (b"81a4 3 1700000000 ./Downloads/a.txt", b"41ed 3 1700000000 ./Downloads/folder", b"what?")
        qemu.program_ends(0, b"\0".join(told))
        assert [(file.name, file.size_bytes) for file in await host.files.list("s1", "Downloads")] == [("a.txt", 3)]
        with pytest.raises(InvalidInput):
            await host.files.list("s1", "../etc")
        with pytest.raises(InvalidInput):
            await host.files.read_piece("s1", "a.txt", offset=-1, max_bytes=5)


@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.ENOSPC, NoCapacity), (errno.EDQUOT, NoCapacity), (errno.ENOMEM, NoCapacity), (errno.EIO, CloudUnavailable)],
)
def test_what_this_computer_lacks_is_the_clouds_lack(number: int, error: type[YunzhuoError]) -> None:
    assert type(as_cloud_error(OSError(number, os.strerror(number)))) is error
