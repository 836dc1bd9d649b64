"""Copies with holes: the same bytes, no more room than they need, and an end where the source ends."""

import os
from pathlib import Path

import pytest

from yunzhuo.host.sparse import copy_data, link_or_copy

_MIB = 1024 * 1024


def holey(path: Path) -> Path:
    """Four MiB, of which the second has data and the last zeros."""
    with path.open("wb") as file:
        file.truncate(4 * _MIB)
        file.seek(_MIB)
        file.write(b"data" * (_MIB // 4))
        file.seek(3 * _MIB)
        file.write(bytes(_MIB))
    return path


@pytest.mark.parametrize("skip_zeros", [False, True])
def test_a_copy_has_the_same_bytes_and_its_holes(tmp_path: Path, skip_zeros: bool) -> None:
    source, target = holey(tmp_path / "source"), tmp_path / "target"
    with source.open("rb") as reading, target.open("wb") as writing:
        copy_data(reading.fileno(), writing.fileno(), skip_zeros=skip_zeros)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks * 512 <= (2 - skip_zeros) * _MIB + 65536


def test_what_has_no_data_at_all_is_one_hole(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.truncate(_MIB)
    with source.open("rb") as reading, target.open("wb") as writing:
        copy_data(reading.fileno(), writing.fileno())
    assert (target.stat().st_size, target.stat().st_blocks) == (_MIB, 0)


def test_what_cannot_be_sought_in_is_an_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        with (tmp_path / "target").open("wb") as target, pytest.raises(OSError, match=r"seek|argument"):
            copy_data(target.fileno(), writing)
    finally:
        os.close(reading)
        os.close(writing)


def test_another_file_system_gets_a_copy(tmp_path: Path) -> None:
    source = holey(tmp_path / "source")
    source.chmod(0o440)
    elsewhere = Path("/dev/shm") / f"yunzhuo-test-{os.getpid()}"
    assert elsewhere.parent.stat().st_dev != tmp_path.stat().st_dev
    try:
        link_or_copy(source, elsewhere)
        assert elsewhere.read_bytes() == source.read_bytes()
        assert elsewhere.stat().st_mode & 0o777 == 0o440
    finally:
        elsewhere.unlink()
    link_or_copy(source, tmp_path / "linked")
    assert (tmp_path / "linked").samefile(source)
