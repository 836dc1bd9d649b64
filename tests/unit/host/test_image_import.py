"""Disks from elsewhere: what is refused, what becomes of the rest. The files are real ones, some of them made wrong."""

import os
import struct
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.host.image_import import import_image
from yunzhuo.host.images import Images
from yunzhuo.host.qcow2 import HEADER_BYTES, ImageRefused, read_header
from yunzhuo.phoenix.common.clock import FixedClock
from yunzhuo.phoenix.common.errors import InvalidInput, Unavailable

CLOCK = FixedClock(datetime(2030, 1, 2, tzinfo=UTC))
ENCRYPTION_AT, FEATURES_AT = 32, 72


def make_disk(path: Path, *options: str, size: str = "64M") -> Path:
    """A disk as qemu-img makes it."""
    command = ["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), size]
    subprocess.run(command, check=True, capture_output=True)
    return path


def overwrite(path: Path, at: int, content: bytes) -> Path:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)
    return path


def bring_in(source: Path, images_dir: Path, name: str = "Mine") -> Path:
    return import_image(source, images_dir, name=name, min_memory_mib=768, clock=CLOCK)


def assert_nothing_is_left(images_dir: Path) -> None:
    assert [path.name for path in images_dir.glob("*")] in ([], [".image-build.lock"])
    assert not list(images_dir.glob(".image-import.*"))


def test_a_disk_becomes_an_image_that_boots_by_itself(tmp_path: Path) -> None:
    source = make_disk(tmp_path / "mine.qcow2", size="65M")
    place = bring_in(source, tmp_path / "images", "  Mine ")
    image = Images(tmp_path / "images").get(place.name)
    of = image.manifest
    assert (of.name, of.kind, of.min_memory_mib, of.min_disk_mib) == ("Mine", "imported", 768, 65)
    assert not image.has_kernel
    assert (place / "disk.qcow2").read_bytes() == source.read_bytes()
    assert (place / "disk.qcow2").stat().st_mode & 0o777 == 0o444
    assert bring_in(source, tmp_path / "images", "Twice") == place
    assert len(Images(tmp_path / "images").list()) == 1
    assert not list((tmp_path / "images").glob(".image-import.*"))


def test_an_old_version_of_the_format_will_do(tmp_path: Path) -> None:
    assert bring_in(make_disk(tmp_path / "old", "-o", "compat=0.10"), tmp_path / "images").is_dir()


def test_a_disk_on_a_backing_file_is_refused(tmp_path: Path) -> None:
    base = make_disk(tmp_path / "base")
    with pytest.raises(ImageRefused, match="backing file"):
        bring_in(make_disk(tmp_path / "overlay", "-F", "qcow2", "-b", str(base)), tmp_path / "images")
    assert_nothing_is_left(tmp_path / "images")


def test_a_disk_on_somebody_elses_file_is_refused_without_opening_that(tmp_path: Path) -> None:
    source = make_disk(tmp_path / "overlay", "-u", "-F", "raw", "-b", "/etc/shadow")
    with pytest.raises(ImageRefused, match="backing file"):
        bring_in(source, tmp_path / "images")


def test_a_disk_with_its_data_elsewhere_is_refused(tmp_path: Path) -> None:
    source = make_disk(tmp_path / "head", "-o", f"data_file={tmp_path / 'data'},data_file_raw=on")
    with pytest.raises(ImageRefused, match="another file"):
        bring_in(source, tmp_path / "images")
    assert_nothing_is_left(tmp_path / "images")


def test_an_encrypted_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageRefused, match="encrypted"):
        bring_in(overwrite(make_disk(tmp_path / "luks"), ENCRYPTION_AT, struct.pack(">I", 2)), tmp_path / "images")


@pytest.mark.parametrize("content", [b"", b"QFI\xfb", b"\x7fELF" + bytes(200), b"# Disk DescriptorFile\n" + bytes(4096)])
def test_other_formats_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(ImageRefused, match="not in the format qcow2"):
        bring_in(tmp_path / "other", tmp_path / "images")
    assert_nothing_is_left(tmp_path / "images")


@pytest.mark.parametrize(
    ("at", "content", "why"),
    [
        (4, struct.pack(">I", 4), "version 4"),
        (24, struct.pack(">Q", 0), "empty"),
        (FEATURES_AT, struct.pack(">Q", 1 << 1), "damaged"),
        (FEATURES_AT, struct.pack(">Q", 1 << 20), "not known"),
        (40, struct.pack(">Q", 1 << 40), "make sense|something else|damaged"),
    ],
)
def test_a_header_that_is_wrong_is_refused(tmp_path: Path, at: int, content: bytes, why: str) -> None:
    with pytest.raises(ImageRefused, match=why):
        bring_in(overwrite(make_disk(tmp_path / "wrong"), at, content), tmp_path / "images")
    assert_nothing_is_left(tmp_path / "images")


def test_a_disk_cut_short_is_refused(tmp_path: Path) -> None:
    source = make_disk(tmp_path / "whole")
    (tmp_path / "short").write_bytes(source.read_bytes()[:1024])
    with pytest.raises(ImageRefused):
        bring_in(tmp_path / "short", tmp_path / "images")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path, Path("/dev/null")):
        with pytest.raises(ImageRefused, match="no file"):
            bring_in(path, tmp_path / "images")


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "x" * 101])
def test_a_name_must_be_readable(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="needs a name"):
        bring_in(make_disk(tmp_path / "disk"), tmp_path / "images", name)


@given(st.binary(max_size=HEADER_BYTES).map(lambda rest: b"QFI\xfb\0\0\0\x03" + rest))
def test_any_header_is_read_or_refused(start: bytes) -> None:
    with suppress(ImageRefused):
        assert read_header(start).size_bytes > 0


def pretend_qemu_img(folder: Path, monkeypatch: pytest.MonkeyPatch, info: str, check: str) -> None:
    """A qemu-img before the computer's own that says this."""
    folder.mkdir()
    said = folder / "qemu-img"
    said.write_text(f"#!/bin/sh\nif [ $1 = info ]; then echo '{info}'; else echo '{check}'; fi\n")
    said.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


_SIZE = 64 * 1024 * 1024
_WELL = f'{{"format": "qcow2", "virtual-size": {_SIZE}}}'


@pytest.mark.parametrize(
    ("info", "check", "why"),
    [
        (_WELL.replace("qcow2", "raw"), "{}", "something else"),
        (_WELL.replace(str(_SIZE), "1"), "{}", "something else"),
        (_WELL[:-1] + ', "backing-filename": "/etc/shadow"}', "{}", "backing-filename"),
        (_WELL[:-1] + ', "format-specific": {"data": {"data-file": "elsewhere"}}}', "{}", "data-file"),
        (_WELL, '{"corruptions": 3}', "damaged"),
        ("[]", "{}", "no sense|make sense"),
        ("no JSON", "{}", "no sense|make sense"),
    ],
)
def test_what_qemu_sees_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, info: str, check: str, why: str
) -> None:
    source = make_disk(tmp_path / "mine.qcow2")
    pretend_qemu_img(tmp_path / "bin", monkeypatch, info, check)
    with pytest.raises(ImageRefused, match=why):
        bring_in(source, tmp_path / "images")
    assert_nothing_is_left(tmp_path / "images")


def test_without_qemu_img_nothing_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_disk(tmp_path / "mine.qcow2")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="qemu-utils"):
        bring_in(source, tmp_path / "images")
    assert_nothing_is_left(tmp_path / "images")
