"""Small decisions: room, routes, devices' groups, keys, caches."""

import os
import stat
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.host.argv import Accelerator, Hardware
from yunzhuo.host.capacity import Reserve, Room, meminfo, require_disk, require_room
from yunzhuo.host.golden_cache import GoldenCache, cache_folder
from yunzhuo.host.goldens import (
    GoldenManifest,
    Goldens,
    golden_key,
    measure_files,
    new_memory,
    new_name,
    read_golden,
    seal,
    state_key,
)
from yunzhuo.host.images import IMAGE_FILES, Images
from yunzhuo.host.network import has_default_route, slirp_complaint
from yunzhuo.host.privileges import QemuUserMissing, kvm_device_group, qemu_account
from yunzhuo.host.sparse import copy_data, link_or_copy
from yunzhuo.phoenix.cloud.errors import ImageNotFound, NoCapacity
from yunzhuo.phoenix.config.settings import FlavorSettings

HARDWARE = Hardware(vcpus=1, memory_mib=512, accelerator=Accelerator.TCG, kernel_args="quiet")
RESERVE = Reserve(memory_mib=1000, disk_mib=2000)
MANIFEST = (
    '{"format": 1, "id": "%s", "name": "Light", "version": "1", "created_at": "%s", "kernel_args": %s, "kind": "%s", '
    '"min_memory_mib": 512, "min_disk_mib": 4096, "size_mib": 700}'
)


def put_image(folder: Path, image_id: str, created_at: str = "2030-01-01T00:00:00Z", *, has_kernel: bool = True) -> Path:
    place = folder / image_id
    place.mkdir(parents=True)
    for name in IMAGE_FILES if has_kernel else ("disk.qcow2",):
        (place / name).write_text("x")
    kind = image_id.partition("-")[0]
    (place / "image.json").write_text(MANIFEST % (image_id, created_at, '"quiet"' if has_kernel else "null", kind))
    return place


def put_golden(folder: Path, key: str, *, created_at: datetime | None = None) -> Path:
    place = folder / new_name(key)
    place.mkdir(parents=True)
    for name in ("disk.qcow2", "overlay.qcow2", "ram", "state"):
        (place / name).write_text(name)
    manifest = GoldenManifest(
        key=key,
        name=place.name,
        image_id="light",
        flavor_id="small",
        language="en",
        memory_mib=512,
        awaits_identity=True,
        qemu_version="7.2",
        created_at=created_at or datetime.now(UTC),
        build_seconds=60,
        sizes=measure_files(place),
    )
    (place / "golden.json").write_text(manifest.model_dump_json())
    return place


@given(
    memory=st.integers(0, 10**6),
    disk=st.integers(0, 10**6),
    wanted=st.integers(128, 10**5),
    promised=st.lists(st.integers(0, 10**5), max_size=5),
)
def test_the_reserve_and_what_was_promised_are_never_given_away(
    memory: int, disk: int, wanted: int, promised: list[int]
) -> None:
    fits = memory - 1000 - sum(promised) >= wanted and disk - 2000 >= 64
    with nullcontext() if fits else pytest.raises(NoCapacity, match="This computer"):
        require_room(wanted, Room(memory, disk), RESERVE, promised)


@given(disk=st.integers(0, 10**6), wanted=st.integers(0, 10**6))
def test_what_is_written_leaves_the_reserve(disk: int, wanted: int) -> None:
    with nullcontext() if disk - 2000 >= wanted or wanted == 0 else pytest.raises(NoCapacity, match="disk has no room"):
        require_disk(wanted, Room(0, disk), 2000)


@pytest.mark.parametrize(
    ("disk_mib", "hardware", "version"),
    [(8192, HARDWARE, "7.2"), (4096, replace(HARDWARE, vcpus=2), "7.2"), (4096, HARDWARE, "8.2")],
)
def test_memory_fits_one_machine_of_one_qemu(disk_mib: int, hardware: Hardware, version: str) -> None:
    assert state_key(4096, HARDWARE, "7.2") == state_key(4096, HARDWARE, "7.2")
    assert state_key(4096, HARDWARE, "7.2") != state_key(disk_mib, hardware, version)


def test_memory_is_read_in_mebibytes() -> None:
    assert meminfo("MemAvailable", "MemTotal:  2097152 kB\nMemAvailable:  1048576 kB\n") == 1024
    with pytest.raises(KeyError):
        meminfo("Nothing", "MemTotal: 1 kB")
    assert meminfo("MemTotal") > 0


HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("", False),
        ("eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", True),
        ("eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", False),
        ("tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n", False),
    ],
)
def test_a_way_out_is_a_default_route(rows: str, expected: bool) -> None:
    assert has_default_route(HEADER + rows) is expected


def test_a_complaint_is_found_among_the_chatter() -> None:
    log = 'WARNING: Support for seccomp is experimental\nopen("/dev/net/tun"): Permission denied\nchild failed(1)\n'
    assert slirp_complaint(log) == 'open("/dev/net/tun"): Permission denied'
    assert slirp_complaint("Starting slirp\n* MTU: 65520\n") == "slirp4netns ended without a word."


def test_qemus_user_must_exist_and_not_be_root() -> None:
    if os.geteuid() == 0:
        for name in ("yunzhuo-nobody-has-this", "root"):
            with pytest.raises(QemuUserMissing, match="useradd"):
                qemu_account(name)
    else:
        account = qemu_account("yunzhuo-nobody-has-this")
        assert (account.uid, account.drops_root) == (os.geteuid(), False)


def test_a_device_without_a_group_of_its_own_gives_none(tmp_path: Path) -> None:
    device = tmp_path / "kvm"
    assert kvm_device_group(device) is None
    device.touch()
    device.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert kvm_device_group(device) is None


def test_images_are_whole_or_not_there(tmp_path: Path) -> None:
    put_image(tmp_path, "older", "2029-01-01T00:00:00Z")
    newer = put_image(tmp_path, "newer")
    half = put_image(tmp_path, "half")
    (half / "image.json").unlink()
    (put_image(tmp_path, "holed") / "vmlinuz").unlink()
    (put_image(tmp_path, "garbled") / "image.json").write_text("{")
    (tmp_path / "a file").touch()
    images = Images(tmp_path)
    assert [image.id for image in images.list()] == ["newer", "older"]
    assert images.default() == images.get("newer")
    assert images.get("newer").folder == newer
    described = images.get("older").described(is_default=False)
    assert (described.created_at, described.min_disk_mib) == (datetime(2029, 1, 1, tzinfo=UTC), 4096)
    for unknown in ("half", "../newer", ""):
        with pytest.raises(ImageNotFound):
            images.get(unknown)


def test_the_image_of_the_wanted_recipe_is_offered_first(tmp_path: Path) -> None:
    put_image(tmp_path, "light-1", "2029-01-01T00:00:00Z")
    put_image(tmp_path, "light-2", "2029-06-01T00:00:00Z")
    put_image(tmp_path, "xfce-1")
    put_image(tmp_path, "imported-1", "2031-01-01T00:00:00Z", has_kernel=False)
    images = Images(tmp_path, "light")
    assert [image.id for image in images.list()] == ["light-2", "light-1", "xfce-1", "imported-1"]
    assert [image.id for image in images.newest_of_each_kind()] == ["light-2", "xfce-1"]
    assert Images(tmp_path, "elsewhere").default() == images.get("xfce-1")


def test_an_image_fits_sizes_that_are_large_enough(tmp_path: Path) -> None:
    put_image(tmp_path, "light")
    image = Images(tmp_path).get("light")
    sizes = ((512, 4096, True), (511, 4096, False), (512, 4095, False), (1024, 8192, True))
    for memory_mib, disk_mib, fits in sizes:
        assert image.fits(FlavorSettings(id="a", name="A", vcpus=1, memory_mib=memory_mib, disk_mib=disk_mib)) is fits


def test_an_image_speaks_the_first_wish_that_it_can(tmp_path: Path) -> None:
    put_image(tmp_path, "light")
    mute = Images(tmp_path).get("light")
    assert mute.spoken("zh_CN") is None
    speaking = replace(mute, manifest=mute.manifest.model_copy(update={"languages": ("en", "zh_CN")}))
    assert [speaking.spoken(*wishes) for wishes in (("zh_CN", "en"), (None, "zh_CN"), ("fr", None), ())] == [
        "zh_CN",
        "zh_CN",
        "en",
        "en",
    ]


def test_a_goldens_key_changes_with_everything_it_depends_on(tmp_path: Path) -> None:
    put_image(tmp_path, "light")
    image = Images(tmp_path).get("light")
    keys = {
        golden_key("small", 4096, HARDWARE, image, "en", "7.2"),
        golden_key("medium", 4096, HARDWARE, image, "en", "7.2"),
        golden_key("small", 8192, HARDWARE, image, "en", "7.2"),
        golden_key("small", 4096, replace(HARDWARE, vcpus=2), image, "en", "7.2"),
        golden_key("small", 4096, replace(HARDWARE, accelerator=Accelerator.KVM), image, "en", "7.2"),
        golden_key("small", 4096, HARDWARE, replace(image, digest="built anew"), "en", "7.2"),
        golden_key("small", 4096, HARDWARE, image, "en", "8.2"),
        golden_key("small", 4096, HARDWARE, image, "zh_CN", "7.2"),
    }
    assert len(keys) == 8
    assert golden_key("small", 4096, HARDWARE, image, "en", "7.2") in keys


async def test_only_whole_goldens_stand_and_the_newest_is_cloned(tmp_path: Path) -> None:
    put_golden(tmp_path, "small-1", created_at=datetime(2029, 1, 1, tzinfo=UTC))
    newer = put_golden(tmp_path, "small-1", created_at=datetime(2030, 1, 1, tzinfo=UTC))
    (put_golden(tmp_path, "small-2") / "ram").write_text("longer than it was")
    (tmp_path / ".building-small-3").mkdir()
    goldens = Goldens(tmp_path)
    goldens.load()
    standing = goldens.standing("small-1")
    assert standing is not None
    assert standing.folder == newer
    assert goldens.standing("small-2") is None
    assert not (tmp_path / ".building-small-3").exists()


def test_what_a_desktop_stands_on_is_never_removed(tmp_path: Path) -> None:
    wanted, used, stale = (put_golden(tmp_path, f"small-{number}") for number in range(3))
    goldens = Goldens(tmp_path)
    goldens.load()
    goldens.remove_all_but({"small-0"}, {used.name})
    assert {folder.name for folder in tmp_path.iterdir()} == {wanted.name, used.name}
    assert goldens.standing("small-1") is None
    assert stale.name not in {folder.name for folder in tmp_path.iterdir()}


def test_a_clones_memory_is_taken_over_only_if_we_sealed_it(tmp_path: Path) -> None:
    open_one, sealed = new_memory("small-1-a", 1), new_memory("small-1-b", 1)
    seal(sealed)
    goldens = Goldens(tmp_path)
    for name in ("small-1-a", "small-1-b", "small-1-c"):
        goldens.adopt_memory(name, os.getpid())
    goldens.adopt_memory("small-1-d", 2**22 + 1)
    assert goldens.in_memory == {"small-1-b"}
    goldens.close()
    for descriptor in (open_one, sealed):
        os.close(descriptor)


async def test_a_goldens_memory_can_be_mapped_and_never_changed(tmp_path: Path) -> None:
    place = put_golden(tmp_path, "small-1")
    goldens = Goldens(tmp_path)
    goldens.load()
    golden = read_golden(place)
    assert golden is not None
    descriptor = await goldens.memory(golden)
    assert descriptor == await goldens.memory(golden)
    assert os.pread(descriptor, 10, 0) == b"ram"
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"x", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, 0)
    goldens.close()


def test_new_memory_is_empty_and_open_until_sealed() -> None:
    descriptor = new_memory("small-1", 1)
    os.pwrite(descriptor, b"x", 4096)
    seal(descriptor)
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"y", 4096)
    assert os.fstat(descriptor).st_size == 1024 * 1024
    os.close(descriptor)


def test_a_cached_golden_comes_back_under_its_own_name(tmp_path: Path) -> None:
    cache, place = GoldenCache(tmp_path / "cache"), tmp_path / "goldens"
    golden = put_golden(place, "small-1")
    assert cache.fetch("small-1", place) is None
    cache.keep(golden)
    other = tmp_path / "other"
    other.mkdir()
    fetched = cache.fetch("small-1", other)
    assert fetched == other / golden.name
    assert fetched is not None
    assert read_golden(fetched) is not None
    assert (fetched / "ram").stat().st_ino == (golden / "ram").stat().st_ino
    assert cache.fetch("small-2", other) is None


def test_the_cache_keeps_what_is_used(tmp_path: Path) -> None:
    cache = GoldenCache(tmp_path / "cache")
    for number in range(12):
        golden = put_golden(tmp_path / "goldens", f"small-{number}")
        cache.keep(golden)
        os.utime(tmp_path / "cache" / golden.name, (number, number))
    assert len(list((tmp_path / "cache").iterdir())) <= 9
    assert cache.fetch("small-11", tmp_path / "goldens") is not None
    assert cache.fetch("small-0", tmp_path / "goldens") is None


def test_one_at_a_time_builds_a_golden(tmp_path: Path) -> None:
    one, other = GoldenCache(tmp_path), GoldenCache(tmp_path)
    with one.turn("small-1") as first, other.turn("small-1") as second, other.turn("small-2") as third:
        assert (first, second, third) == (True, False, True)
    with other.turn("small-1") as again:
        assert again


def test_a_cache_that_cannot_be_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = GoldenCache(tmp_path / "file" / "cache")
    golden = put_golden(tmp_path / "goldens", "small-1")
    cache.keep(golden)
    assert cache.fetch("small-1", tmp_path) is None
    with cache.turn("small-1") as is_ours:
        assert is_ours


def test_the_cache_is_where_settings_or_environment_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder(str(tmp_path)) == tmp_path
    assert cache_folder("") == Path("/xdg/yunzhuo")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative is not allowed")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("") == tmp_path / ".cache" / "yunzhuo"


def test_holes_stay_holes_and_zeros_become_some(tmp_path: Path) -> None:
    size, page = 8 * 1024 * 1024, 64 * 1024
    with (tmp_path / "source").open("wb") as source:
        source.truncate(size)
        source.seek(page * 3)
        source.write(b"data")
        source.seek(page * 10)
        source.write(bytes(page))
    for skip_zeros in (False, True):
        with (tmp_path / "source").open("rb") as source, (tmp_path / "target").open("wb") as target:
            copy_data(source.fileno(), target.fileno(), skip_zeros=skip_zeros)
        assert (tmp_path / "target").read_bytes() == (tmp_path / "source").read_bytes()
        assert (tmp_path / "target").stat().st_blocks * 512 <= page * 4


def test_a_file_is_linked_or_else_copied(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("content")
    link_or_copy(tmp_path / "source", tmp_path / "linked")
    assert (tmp_path / "linked").stat().st_ino == (tmp_path / "source").stat().st_ino
    other = Path("/dev/shm")
    if other.is_dir() and other.stat().st_dev != tmp_path.stat().st_dev:
        copied = other / f"yunzhuo-test-{os.getpid()}"
        link_or_copy(tmp_path / "source", copied)
        assert copied.read_text() == "content"
        copied.unlink()
