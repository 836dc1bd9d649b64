"""QEMU's programs when they are not there, do not work, or were upgraded meanwhile."""

from pathlib import Path

import pytest

from yunzhuo.host.accelerator import qemu_program, qemu_version
from yunzhuo.host.argv import QEMU
from yunzhuo.host.engine import run_qemu_img
from yunzhuo.host.monitor import MachineFailed


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def put(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


async def test_programs_that_are_not_there_are_named_with_the_package_that_brings_them(programs: Path) -> None:
    assert qemu_program() is None
    with pytest.raises(MachineFailed, match="install qemu-system-x86"):
        await qemu_version()
    with pytest.raises(MachineFailed, match="install qemu-utils"):
        await run_qemu_img("info", "disk")


async def test_a_qemu_that_fails_has_no_version(programs: Path) -> None:
    put(programs / QEMU, "echo QEMU emulator version 99; exit 1")
    with pytest.raises(MachineFailed, match="--version failed"):
        await qemu_version()


async def test_what_qemu_img_says_against_it_is_told(programs: Path) -> None:
    put(programs / "qemu-img", 'echo "$1: no room" >&2; exit 1')
    with pytest.raises(MachineFailed, match="qemu-img resize failed: resize: no room"):
        await run_qemu_img("resize", "disk", "1G")


async def test_another_qemu_is_seen_by_its_file(programs: Path) -> None:
    put(programs / QEMU, "echo QEMU emulator version 98")
    first = qemu_program()
    assert await qemu_version() == "QEMU emulator version 98"
    put(programs / "newer", "echo QEMU emulator version 99")
    (programs / "newer").rename(programs / QEMU)
    assert qemu_program() not in (None, first)
