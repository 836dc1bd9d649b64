"""Changes to servers and volumes that meet another on their way, take long, or were begun by an earlier host process."""

import asyncio
import subprocess
from contextlib import suppress
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
from tests.support.waiting import until
from yunzhuo.host import entries, snapshots, volumes
from yunzhuo.host.host import DesktopHost
from yunzhuo.host.layout import DISK_NAME, MEMORY_NAME
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.store import Phase, SavedMemory, ServerRecord, SnapshotPhase, Wanted, save_record
from yunzhuo.host.volume_store import Plugged
from yunzhuo.phoenix.cloud.errors import CloudUnavailable, ServerBusy, ServerNotFound
from yunzhuo.phoenix.cloud.resources import FaultCode, ServerStatus, VolumeStatus
from yunzhuo.phoenix.config.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with_image(tmp_path / "var")


def in_disk(folder: Path, command: str) -> None:
    """Do a command of ``qemu-io``, which fails when it reads something else than it is told."""
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", command, folder / DISK_NAME], check=True, capture_output=True)


async def key_of(host: DesktopHost, server_id: str, settings: Settings) -> str:
    """What memory has to be of, to be brought back on this computer."""
    taken = await host.snapshots.take(server_id, "of now")
    kept = recorded(server_id, settings).snapshot(taken.id)
    assert kept is not None
    await host.snapshots.delete(server_id, taken.id)
    return kept.key


async def test_snapshots_that_were_begun_are_like_any_other_once_they_are_settled(settings: Settings) -> None:
    begun = snapshot("begun", SnapshotPhase.TAKING)
    folder = left(settings, "s1", snapshots=(begun, snapshot("old", SnapshotPhase.STANDING)))
    for tag in ("begun", "old"):
        keep(folder, tag)

    async def delete(snapshot_id: str) -> None:
        async with asyncio.timeout(10):
            while snapshot_id in recorded("s1", settings).model_dump_json():
                with suppress(ServerBusy):
                    await host.snapshots.delete("s1", snapshot_id)
                await asyncio.sleep(0.01)

    async with started(settings) as host:
        await delete("begun")
        assert [kept.id for kept in host.snapshots.list("s1")] == ["old"]
        assert " old " in tags(folder)
        assert " begun " not in tags(folder)


async def test_a_snapshot_that_takes_long_is_answered_before_it_stands(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_WORTH_WAITING_SECONDS", 0.01)
    folder = left(settings, "s1")
    slow_disks = SlowDisks(tmp_path, monkeypatch)
    async with started(settings) as host:
        taken = await host.snapshots.take("s1", "one")
        assert [kept.id for kept in host.snapshots.list("s1")] == [taken.id]
        with pytest.raises(ServerBusy, match="being snapshotted"):
            await host.snapshots.roll_back("s1", taken.id)
        slow_disks.let_end()
        await until(lambda: recorded("s1", settings).snapshots[0].phase is SnapshotPhase.STANDING)
        assert taken.id in tags(folder)


async def test_a_server_that_is_deleted_over_its_snapshot_has_none(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(settings, "s1")
    slow_disks = SlowDisks(tmp_path, monkeypatch)
    async with started(settings) as host:
        taking = asyncio.create_task(host.snapshots.take("s1", "one"))
        await until(slow_disks.begun.exists)
        deleting = asyncio.create_task(host.servers.delete("s1"))
        await asyncio.sleep(0)
        slow_disks.let_end()
        with pytest.raises(ServerNotFound):
            await taking
        await deleting
        assert host.servers.list() == []
        assert list((settings.host_dir / "desktops").iterdir()) == []


async def test_a_server_that_is_deleted_meanwhile_is_not_rolled_back(settings: Settings) -> None:
    left(settings, "s1", snapshots=(snapshot("kept", SnapshotPhase.STANDING),))
    async with started(settings) as host:
        rolling_back = asyncio.create_task(host.snapshots.roll_back("s1", "kept"))
        await asyncio.sleep(0)
        await host.servers.delete("s1")
        with pytest.raises(ServerNotFound):
            await rolling_back
        assert host.servers.list() == []


async def test_a_wish_that_cannot_be_written_down_keeps_no_server_from_being_deleted(settings: Settings) -> None:
    folder = left(settings, "s1", snapshots=(snapshot("kept", SnapshotPhase.STANDING),))
    async with started(settings) as host:
        (folder / "server.json").unlink()
        (folder / "server.json").mkdir()
        (folder / "server.json" / "in the way").touch()
        rolling_back = asyncio.create_task(host.snapshots.roll_back("s1", "kept"))
        await asyncio.sleep(0)
        await host.servers.delete("s1")
        with pytest.raises(OSError, match="directory"):
            await rolling_back
        assert host.servers.list() == []
        assert not folder.exists()


async def test_a_snapshot_whose_machine_ends_meanwhile_leaves_nothing_behind(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = left(settings, "s1", wanted=Wanted.RUNNING, state_key="k")
    async with pretended(folder) as qemu, started(settings) as host:

        def written_after_the_end(folder: Path, record: ServerRecord) -> None:
            qemu.process.kill()
            qemu.process.wait()
            save_record(folder, record)

        monkeypatch.setattr(entries, "save_record", written_after_the_end)
        with pytest.raises(MachineFailed, match="ended meanwhile"):
            await host.snapshots.take("s1", "one")
        assert host.snapshots.list("s1") == []
        assert recorded("s1", settings).snapshots == ()
        assert "snapshot-save" not in qemu.heard
        await until(lambda: "ended unexpectedly" in (host.servers.get("s1").fault or ""))


async def test_memory_that_does_not_come_back_leaves_the_disk_rolled_back(settings: Settings) -> None:
    stopped = snapshot("kept", SnapshotPhase.STANDING).but(has_memory=True, key="of another QEMU")
    folder = left(settings, "s1", snapshots=(stopped,), disk_mib=8)
    keep(folder, "kept")
    in_disk(folder, "write -P 7 0 4k")
    async with started(settings) as host:
        await host.snapshots.roll_back("s1", "kept")
        server = host.servers.get("s1")
        assert (server.status, server.fault_code) == (ServerStatus.STOPPED, FaultCode.ONLY_DISK)
        in_disk(folder, "read -P 0 0 4k")


async def test_a_roll_back_to_memory_that_nothing_starts_with_ends_the_machine_and_says_so(settings: Settings) -> None:
    folder = left(settings, "s1", wanted=Wanted.RUNNING)
    async with pretended(folder) as qemu, started(settings) as host:
        kept = await host.snapshots.take("s1", "one")
        assert kept.has_memory
        keep(folder, kept.id)
        with suppress(MachineFailed):  # which is said to who has the patience
            await host.snapshots.roll_back("s1", kept.id)
        await until(lambda: "could not be rolled back: QEMU did not start" in (recorded("s1", settings).fault or ""))
        assert qemu.process.poll() is not None
        assert host.servers.get("s1").status is ServerStatus.STOPPED
        now = recorded("s1", settings)
        assert (now.wanted, now.rolling_back_to) == (Wanted.STOPPED, None)


async def test_a_resume_that_was_begun_goes_on_and_one_that_fails_loses_nothing(settings: Settings) -> None:
    folder = left(settings, "s1")
    async with started(settings) as host:
        key = await key_of(host, "s1", settings)
    saved = SavedMemory(key=key, saved_at=NOW, size_bytes=5, desktop_was_up=True)
    save_record(folder, recorded("s1", settings).but(saved=saved, wanted=Wanted.RUNNING))
    (folder / MEMORY_NAME).write_bytes(b"12345")
    left(settings, "another")
    async with started(settings) as host:
        await until(lambda: "could not be resumed" in (recorded("s1", settings).fault or ""))
        await host.suspension.look_again()
        assert host.servers.get("s1").status is ServerStatus.SUSPENDED
        assert host.servers.get("another").status is ServerStatus.STOPPED
        assert recorded("s1", settings).wanted is Wanted.SUSPENDED
        assert (folder / MEMORY_NAME).read_bytes() == b"12345"


async def test_a_rebuild_and_a_resize_that_were_begun_are_finished(settings: Settings) -> None:
    (medium,) = [flavor for flavor in settings.host.flavors if flavor.id == "medium"]
    rebuilt = left(settings, "rebuilt", phase=Phase.REBUILDING, disk_mib=4096)
    keep(rebuilt, "of before")
    left(settings, "resized", next_flavor=medium)
    async with started(settings) as host:
        await until(lambda: recorded("rebuilt", settings).phase is Phase.MADE)
        await until(lambda: recorded("resized", settings).next_flavor is None)
        await until(lambda: all(server.status is ServerStatus.STOPPED for server in host.servers.list()))
        assert b"of before" not in (rebuilt / DISK_NAME).read_bytes()
        now = host.servers.get("resized")
        assert (now.flavor_id, now.fault) == ("medium", None)
        assert recorded("resized", settings).disk_mib == medium.disk_mib


async def test_a_server_in_error_has_neither_its_size_changed_nor_a_snapshot_taken(settings: Settings) -> None:
    left(settings, "s1", phase=Phase.FAILED, fault="it broke")
    async with started(settings) as host:
        with pytest.raises(ServerBusy, match="cannot be resized"):
            await host.reshaping.resize("s1", "medium")
        with pytest.raises(ServerBusy, match="has no snapshot taken"):
            await host.snapshots.take("s1", "one")
        assert recorded("s1", settings).snapshots == ()


async def test_a_guest_that_takes_long_to_let_go_of_a_volume_is_told_and_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volumes, "_WORTH_WAITING_SECONDS", 0.05)
    folder = left(settings, "s1", wanted=Wanted.RUNNING)
    async with pretended(folder) as qemu:
        left_volume(settings, "v1", plugged=Plugged(server_id="s1", process=qemu.identity))
        qemu.agent["guest-exec-status"] = {"exited": False}
        async with started(settings) as host:
            with pytest.raises(CloudUnavailable, match="still writing out"):
                await host.volumes.detach("v1", "s1", force=False)
            assert host.volumes.get("v1").server_id == "s1"
            with pytest.raises(ServerBusy, match="being given a disk"):
                await host.volumes.detach("v1", "s1", force=False)
            qemu.program_ends(0)
            await until(lambda: host.volumes.get("v1").status is VolumeStatus.AVAILABLE)
