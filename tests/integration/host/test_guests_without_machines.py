"""What is told of guests and screens of machines that are only pretended."""

from pathlib import Path

import pytest

from tests.support.left_host import left, pretended, settings_with_image, started
from tests.support.pretended_qemu import hangs_up, refuses
from tests.support.waiting import until
from yunzhuo.host.layout import PICTURE_NAME
from yunzhuo.host.store import Wanted
from yunzhuo.phoenix.cloud.errors import CloudUnavailable, GuestUnreachable
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound, YunzhuoError
from yunzhuo.phoenix.config.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with_image(tmp_path / "var")


@pytest.fixture
def folder(settings: Settings) -> Path:
    return left(settings, "s1", wanted=Wanted.RUNNING)


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        (1, CloudUnavailable, "could not do it"),
        (44, NotFound, "no such file"),
        (46, InvalidInput, "larger"),
    ],
)
async def test_what_a_guest_cannot_do_is_told(
    settings: Settings, folder: Path, code: int, error: type[YunzhuoError], says: str
) -> None:
    async with pretended(folder) as qemu, started(settings) as host:
        qemu.program_ends(code, err=b"sh: no")
        with pytest.raises(error, match=says):
            await host.guests.read_file("s1", "/etc/hosts", max_bytes=5)
        with pytest.raises(CloudUnavailable, match="could not do it"):
            await host.guests.message("s1", "Save your work")
        assert (await host.guests.run("s1", ["false"], stdin=b"", timeout_seconds=5)).exit_code == code


async def test_what_is_no_command_or_path_is_refused_before_the_guest_hears_of_it(settings: Settings, folder: Path) -> None:
    async with pretended(folder) as qemu, started(settings) as host:
        qemu.agent["guest-exec"] = refuses("nobody may ask")
        for argv in ([], ["/bin/echo", "zero\0byte"]):
            with pytest.raises(InvalidInput):
                await host.guests.run("s1", argv, stdin=b"", timeout_seconds=5)
        for path in ("relative", "/zero\0byte"):
            with pytest.raises(InvalidInput):
                await host.guests.write_file("s1", path, b"content")
        with pytest.raises(GuestUnreachable):
            await host.guests.write_file("s1", "/tmp/file", b"content")


async def test_a_screen_that_cannot_be_seen_is_told(settings: Settings, folder: Path) -> None:
    async with pretended(folder) as qemu, started(settings) as host:
        (folder / PICTURE_NAME).write_bytes(b"of an earlier hour, which says nothing of now")
        # An empty dump is no picture.
        for answer in (dict[str, object](), refuses("no screen"), hangs_up):
            qemu.answers["screendump"] = answer
            with pytest.raises(CloudUnavailable, match="screen does not answer"):
                await host.pictures.look("s1")


async def test_a_held_desktop_says_that_the_disk_is_full(settings: Settings, folder: Path) -> None:
    async with pretended(folder) as qemu, started(settings) as host:
        assert host.servers.get("s1").fault is None
        qemu.tell("BLOCK_IO_ERROR", {"nospace": True})
        await until(lambda: "disk is full" in (host.servers.get("s1").fault or ""))
