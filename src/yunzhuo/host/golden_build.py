"""Builds one golden: cold boot, wait until a person could work, warm up, let it settle, freeze."""

import asyncio
import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from yunzhuo.host.argv import Channels, Hardware, MachineSpec, Memory
from yunzhuo.host.engine import Engine, image_disk, make_overlay
from yunzhuo.host.goldens import (
    MANIFEST_NAME,
    OVERLAY_NAME,
    RAM_NAME,
    STATE_NAME,
    GoldenManifest,
    measure_files,
    new_memory,
    new_name,
)
from yunzhuo.host.guest_agent import AgentRefused, AgentSilent
from yunzhuo.host.images import StoredImage
from yunzhuo.host.launch import launch
from yunzhuo.host.layout import BUILDING_PREFIX, DISK_NAME, ROOT_FROM_MACHINE, SCREEN_FOLDER
from yunzhuo.host.machine import Machine
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.server_secrets import Identity, new_secrets
from yunzhuo.host.sparse import copy_data
from yunzhuo.host.store import sync_folder, write_whole
from yunzhuo.host.waiting import unless
from yunzhuo.phoenix.common.logging import get_logger

_READY_SECONDS = 600.0
_STILL_FOR_FRAMES = 4
_FRAME_SECONDS = 1.0
_SETTLE_SECONDS = 60.0
_HOSTNAME = "desktop"
_LOWEST_PRIORITY = 15  # below desktops and everything else: what they leave
# What every clone does first has run here once, so its pages are in memory and warm.
_WARM_UP = (("/bin/sh", "-c", "true"), ("/etc/desktop/clipboard", "get"), ("/bin/sh", "-c", "sync"))
# What this image's people open first, where it says so.
_OWN_WARM_UP = ("/bin/sh", "-c", "[ ! -x /etc/desktop/warm-up ] || exec /etc/desktop/warm-up")
_AWAIT_IDENTITY = ("/etc/desktop/await-identity",)
_WARM_UP_TIMES = 3
_WARM_UP_SECONDS = 30.0
# Longer than the script itself ever waits: given up half way it would leave its windows in the golden.
_OWN_WARM_UP_SECONDS = 1500.0
_FRAME = f"{SCREEN_FOLDER}/frame.ppm"

logger = get_logger()


@dataclass(frozen=True, slots=True)
class GoldenPlan:
    """What to build."""

    key: str
    flavor_id: str
    disk_mib: int
    hardware: Hardware
    image: StoredImage
    language: str | None


async def build_golden(engine: Engine, plan: GoldenPlan, *, low_priority: bool) -> tuple[Path, int]:
    """Build the golden of ``plan``; the answer is its folder and its memory (a memfd). Raises MachineFailed, OSError.

    Takes minutes of one processor; with ``low_priority`` only those that nobody else wants. Cancelled or killed, it leaves
    nothing that counts.
    """
    began_at = time.monotonic()
    folder = engine.layout.goldens / f"{BUILDING_PREFIX}{plan.key}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    engine.account.let_pass(folder)
    name = new_name(plan.key)
    memory = new_memory(name, plan.hardware.memory_mib)
    try:
        await make_overlay(folder / DISK_NAME, image_disk(plan.image), plan.disk_mib)
        engine.account.own(folder / DISK_NAME, 0o600)
        awaits_identity = await _boot_and_freeze(engine, plan, folder, memory, low_priority=low_priority)
        await asyncio.to_thread(_settle_files, folder, memory)
        manifest = GoldenManifest(
            key=plan.key,
            name=name,
            image_id=plan.image.id,
            flavor_id=plan.flavor_id,
            language=plan.language,
            memory_mib=plan.hardware.memory_mib,
            awaits_identity=awaits_identity,
            qemu_version=await engine.version(),
            created_at=datetime.now(UTC),
            build_seconds=round(time.monotonic() - began_at, 1),
            sizes={},
        )
        place = await _publish(engine, folder, manifest, plan.disk_mib)
    except BaseException:
        os.close(memory)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    logger.info("golden_built", golden=place.name, seconds=round(time.monotonic() - began_at, 1))
    return place, memory


async def _boot_and_freeze(engine: Engine, plan: GoldenPlan, folder: Path, memory: int, *, low_priority: bool) -> bool:
    """Whether the frozen machine has a program that waits for its identity."""

    def make_spec(channels: Channels) -> MachineSpec:
        return engine.spec(
            folder.name, plan.hardware, plan.image, channels, memory=Memory.SHARED, memory_fd=memory, is_disposable=True
        )

    state = os.open(folder / STATE_NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        launched = launch(
            folder,
            make_spec,
            engine.account,
            engine.network.entrance,
            inherited=(memory,),
            niceness=_LOWEST_PRIORITY if low_priority else engine.settings.machine_niceness,
        )
        identity = Identity(new_secrets(folder.name), lambda: _HOSTNAME, lambda: plan.language)
        machine = await Machine.after_launch(folder, launched, identity, is_clone=False)
        try:
            machine.readiness.begin(begins_session=True)
            await _wait_until_ready(machine)
            awaits_identity = await _warm_up(machine)
            await _settle(machine, folder / _FRAME)
            # Its memory is in the memfd already; this writes the rest.
            await machine.save_state(state)
        finally:
            await machine.end()
    finally:
        os.close(state)
    return awaits_identity


async def _wait_until_ready(machine: Machine) -> None:
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await unless(machine.process.wait(), machine.readiness.wait_until_ready())
    except TimeoutError:
        said = await machine.serial_tail()
        raise MachineFailed(f"The desktop was not ready after {_READY_SECONDS:.0f} s. {said}") from None
    if not machine.is_alive:
        raise MachineFailed("The machine ended while it started.")


async def _warm_up(machine: Machine) -> bool:
    """Do what a person and a clone do first; whether a program waits now for the clone's identity."""
    try:
        await machine.agent.run(_OWN_WARM_UP, timeout_seconds=_OWN_WARM_UP_SECONDS)
        for command in _WARM_UP:
            await machine.agent.run(command, timeout_seconds=_WARM_UP_SECONDS)
    except (AgentSilent, AgentRefused, TimeoutError) as error:
        raise MachineFailed(f"The guest's agent stopped answering: {error!r}") from error
    try:
        await machine.agent.start(_AWAIT_IDENTITY, capture=False)
    except (AgentSilent, AgentRefused):
        return False
    return await machine.readiness.is_awaited(times=_WARM_UP_TIMES, seconds=_WARM_UP_SECONDS)


async def _settle(machine: Machine, frame: Path) -> None:
    """Wait until the screen stands still, but not for ever: something may blink."""
    still, last = 0, b""
    for _ in range(int(_SETTLE_SECONDS / _FRAME_SECONDS)):
        await asyncio.sleep(_FRAME_SECONDS)
        await machine.monitor.execute("screendump", {"filename": _FRAME})
        now = await asyncio.to_thread(_digest, frame)
        still, last = (still + 1 if now == last else 0), now
        if still >= _STILL_FOR_FRAMES:
            return


async def _publish(engine: Engine, folder: Path, manifest: GoldenManifest, disk_mib: int) -> Path:
    """Add what clones start from and the manifest, and give the golden its name."""
    place = engine.layout.goldens / manifest.name
    await make_overlay(folder / OVERLAY_NAME, f"{ROOT_FROM_MACHINE}/goldens/{place.name}/{DISK_NAME}", disk_mib)
    await asyncio.to_thread(_give_name, folder, manifest, place)
    return place


def _settle_files(folder: Path, memory: int) -> None:
    """Leave only a golden's files, ours alone to change, and bring them to the disk: a manifest will vouch for them."""
    _write_ram(memory, folder / RAM_NAME)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name in (DISK_NAME, RAM_NAME, STATE_NAME):
            _settle_file(path)
        else:
            path.unlink()


def _settle_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchown(descriptor, os.geteuid(), os.getegid())
        os.fchmod(descriptor, 0o644)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give_name(folder: Path, manifest: GoldenManifest, place: Path) -> None:
    _settle_file(folder / OVERLAY_NAME)
    manifest = manifest.model_copy(update={"sizes": measure_files(folder)})
    write_whole(folder / MANIFEST_NAME, manifest.model_dump_json(indent=1).encode(), mode=0o644)
    folder.rename(place)
    sync_folder(place.parent)


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _write_ram(memory: int, path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        copy_data(memory, descriptor, skip_zeros=True)
    finally:
        os.close(descriptor)
