"""What a host process left to the next one: servers and volumes in folders, machines that are only pretended."""

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.local_cloud import local_settings
from tests.support.pretended_qemu import PretendedQemu

from yunzhuo.host.host import DesktopHost
from yunzhuo.host.images import IMAGE_FILES
from yunzhuo.host.layout import DISK_NAME
from yunzhuo.host.server_secrets import new_secrets, save_secrets
from yunzhuo.host.store import Phase, ServerRecord, SnapshotPhase, SnapshotRecord, Wanted, load_record, save_record
from yunzhuo.host.volume_store import VolumeRecord, save_volume
from yunzhuo.phoenix.config.settings import Settings

_MANIFEST = (
    '{"format": 1, "id": "light-1", "name": "Light", "version": "1", "created_at": "2030-01-01T00:00:00Z", "kernel_args": "", '
    '"kind": "light", "min_memory_mib": 512, "min_disk_mib": 64, "size_mib": 1}'
)
NOW = datetime(2030, 1, 2, tzinfo=UTC)


def settings_with_image(home: Path) -> Settings:
    """Settings of an installation in ``home``, with an image that nothing starts from."""
    settings = local_settings(home, guest_internet=False)
    image = settings.host_dir / "images" / "light-1"
    image.mkdir(parents=True)
    for name in IMAGE_FILES:
        (image / name).write_text("nothing starts from it")
    (image / "image.json").write_text(_MANIFEST)
    return settings


def left(settings: Settings, server_id: str, **written: object) -> Path:
    """The folder of a server as an earlier host process left it, switched off unless ``written`` says otherwise."""
    folder = settings.host_dir / "desktops" / server_id
    folder.mkdir(parents=True)
    record = ServerRecord(
        **dict.fromkeys(("desktop_id", "name", "hostname"), server_id),
        id=server_id,
        image_id="light-1",
        flavor_id="small",
        vcpus=1,
        memory_mib=512,
        disk_mib=64,
        created_at=NOW,
        phase=Phase.MADE,
        wanted=Wanted.STOPPED,
    )
    save_record(folder, record.but(**written))
    save_secrets(folder, new_secrets(server_id))
    _make_disk(folder)
    return folder


def left_volume(settings: Settings, volume_id: str, **written: object) -> Path:
    """The folder of a volume as an earlier host process left it."""
    folder = settings.host_dir / "volumes" / volume_id
    folder.mkdir(parents=True)
    record = VolumeRecord(id=volume_id, disk_id=f"of-{volume_id}", name=volume_id, size_mib=8, created_at=NOW)
    save_volume(folder, record.but(**written))
    _make_disk(folder)
    return folder


def _make_disk(folder: Path) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", folder / DISK_NAME, "8M"], check=True)


def keep(folder: Path, tag: str) -> None:
    """Keep a state in the disk."""
    subprocess.run(["qemu-img", "snapshot", "-c", tag, folder / DISK_NAME], check=True)


def tags(folder: Path) -> str:
    command = ["qemu-img", "snapshot", "-U", "-l", str(folder / DISK_NAME)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def recorded(server_id: str, settings: Settings) -> ServerRecord:
    """What is written down of a server."""
    record = load_record(settings.host_dir / "desktops" / server_id)
    assert record is not None
    return record


def snapshot(snapshot_id: str, phase: SnapshotPhase) -> SnapshotRecord:
    """A record of a snapshot of the disk alone."""
    return SnapshotRecord(
        id=snapshot_id, name=snapshot_id, created_at=NOW, has_memory=False, key="k", desktop_was_up=False, phase=phase
    )


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[DesktopHost]:
    """The host, in this process."""
    host = DesktopHost(settings)
    await host.start(with_goldens=False)
    try:
        yield host
    finally:
        await host.close()


@asynccontextmanager
async def pretended(folder: Path) -> AsyncIterator[PretendedQemu]:
    """A machine of the server in ``folder``, as if an earlier host process had started it."""
    qemu = PretendedQemu(folder)
    try:
        await qemu.listen()
        yield qemu
    finally:
        await qemu.end()


class SlowDisks:
    """``qemu-img`` that begins and does not end before it is let."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self._may_end = folder / "begun", folder / "may-end"
        program = folder / "bin" / "qemu-img"
        program.parent.mkdir()
        program.write_text(
            f"#!/bin/sh\ntouch {self.begun}\nwhile [ ! -e {self._may_end} ]; do sleep 0.02; done\n"
            f'PATH="${{PATH#*:}}"\nexec qemu-img "$@"\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    def let_end(self) -> None:
        """Let all of them end, and whatever begins from now on."""
        self._may_end.touch()
