"""The guests' network by itself, without machines: kept, found again, done without, and why, in words."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.waiting import until
from yunzhuo.host import network
from yunzhuo.host.argv import GuestNetwork
from yunzhuo.host.network import Network
from yunzhuo.host.processes import working_below


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_RESTART_SECONDS", 0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("network", "machines", "bin"):
        (tmp_path / name).mkdir()
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    """Stands before the computer's own on PATH."""
    file = folder / "bin" / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


@asynccontextmanager
async def kept(folder: Path, *, wants_internet: bool = False, is_torn_down: bool = True) -> AsyncIterator[Network]:
    found = Network(folder / "network", folder / "machines", wants_internet=wants_internet)
    await found.start()
    try:
        yield found
    finally:
        await (found.tear_down() if is_torn_down else found.close())


def holders(folder: Path) -> list[int]:
    return [found.identity.pid for found in working_below(folder / "network") if found.argv[:1] == ("sleep",)]


def namespace_of(pid: int) -> int:
    return Path(f"/proc/{pid}/ns/net").stat().st_ino


async def test_a_holder_outlives_us_is_found_again_and_put_back_when_it_ends(folder: Path) -> None:
    async with kept(folder, is_torn_down=False) as first:
        assert first.kind is GuestNetwork.NAMESPACE
        assert (first.problem, first.reaches_internet) == (None, False)
        (holder,) = holders(folder)
    async with kept(folder) as second:
        assert holders(folder) == [holder]
        namespace = namespace_of(holder)
        os.kill(holder, 9)
        await until(lambda: holders(folder) not in ([], [holder]))
        (again,) = holders(folder)
        assert namespace_of(again) == namespace, "what is in it stays in it"
        assert second.kind is GuestNetwork.NAMESPACE
    assert holders(folder) == []


async def test_a_computer_without_namespaces_has_desktops_without_a_network(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    program(folder, "unshare", "echo not for you >&2; exit 1")
    async with kept(folder, wants_internet=True) as found:
        assert found.kind is GuestNetwork.NOTHING
        assert found.entrance.prefix == ()
        assert "does not let us make a network namespace" in (found.problem or "")
    program(folder, "unshare", f'exec {shutil.which("unshare", path=os.defpath)} "$@"')
    program(folder, "nsenter", "echo no entrance >&2; exit 1")
    async with kept(folder) as found:
        assert found.kind is GuestNetwork.NOTHING
        assert "does not let us make a network namespace" in (found.problem or "")
    assert holders(folder) == []


async def test_a_holder_that_does_not_get_there_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_ENTER_SECONDS", 0.2)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    program(folder, "unshare", "exec sleep 600")
    async with kept(folder) as found:
        assert found.kind is GuestNetwork.NOTHING
    assert holders(folder) == []


async def test_why_there_is_no_internet_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    program(folder, "slirp4netns", "echo WARNING: of no matter >&2; echo cannot open the tunnel >&2; exit 1")
    async with kept(folder, wants_internet=True) as found:
        await until(lambda: found.problem)
        assert found.problem == "Desktops have no internet: cannot open the tunnel"
        assert found.kind is GuestNetwork.NAMESPACE, "they reach each other all the same"
        assert not found.reaches_internet
    for name in ("unshare", "nsenter", "sleep", "true"):
        (folder / "bin" / name).symlink_to(shutil.which(name, path=os.defpath) or "")
    (folder / "bin" / "slirp4netns").unlink()
    monkeypatch.setenv("PATH", str(folder / "bin"))
    async with kept(folder, wants_internet=True) as found:
        assert found.problem == "Desktops have no internet: slirp4netns is not installed."
