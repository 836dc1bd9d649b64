"""Images as folders: whole or not there, shared with the cache."""

from pathlib import Path
from threading import Event, Thread

import pytest

from yunzhuo.host.image_files import is_whole, publish, require_space, sole_builder, transfer
from yunzhuo.host.images import IMAGE_FILES
from yunzhuo.phoenix.common.errors import LimitReached


def make_image(folder: Path, content: str = "one") -> Path:
    folder.mkdir(parents=True)
    for name in IMAGE_FILES:
        (folder / name).write_text(f"{content} {name}")
    return folder


def test_a_published_image_is_whole_and_cannot_be_written_by_others(tmp_path: Path) -> None:
    place = tmp_path / "light-1"
    publish(make_image(tmp_path / ".build"), place)
    assert is_whole(place)
    assert not (tmp_path / ".build").exists()
    assert {(place / name).stat().st_mode & 0o777 for name in IMAGE_FILES} == {0o444}
    assert place.stat().st_mode & 0o777 == 0o755


def test_publishing_replaces_what_is_not_whole(tmp_path: Path) -> None:
    place = tmp_path / "light-1"
    place.mkdir()
    (place / "disk.qcow2").write_text("half")
    assert not is_whole(place)
    publish(make_image(tmp_path / ".build"), place)
    assert is_whole(place)


@pytest.mark.parametrize("missing", IMAGE_FILES)
def test_an_incomplete_image_is_not_published(tmp_path: Path, missing: str) -> None:
    made = make_image(tmp_path / ".build")
    (made / missing).unlink()
    with pytest.raises(FileNotFoundError):
        publish(made, tmp_path / "light-1")
    assert not (tmp_path / "light-1").exists()


def test_transfer_shares_the_blocks_and_leaves_nothing_else(tmp_path: Path) -> None:
    source = make_image(tmp_path / "here" / "light-1")
    place = tmp_path / "cache" / "images" / "light-1"
    transfer(source, place)
    assert is_whole(place)
    assert all((source / name).samefile(place / name) for name in IMAGE_FILES)
    assert list(place.parent.iterdir()) == [place]


def test_a_failed_transfer_leaves_nothing(tmp_path: Path) -> None:
    source = make_image(tmp_path / "here" / "light-1")
    (source / "initrd.gz").unlink()
    with pytest.raises(FileNotFoundError):
        transfer(source, tmp_path / "cache" / "light-1")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_full_disk_is_one_sentence_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LimitReached) as refused:
        require_space(tmp_path, 10**9)
    assert refused.value.code == "disk_full"
    assert "1000000000 MiB" in refused.value.message
    assert "YUNZHUO_HOME" in refused.value.message
    assert "\n" not in refused.value.message
    require_space(tmp_path, 0)


def test_one_builder_at_a_time_and_the_second_is_told(tmp_path: Path) -> None:
    told, entered = Event(), Event()

    def second() -> None:
        with sole_builder(tmp_path, told.set):
            entered.set()

    with sole_builder(tmp_path, lambda: pytest.fail("nobody builds")):
        thread = Thread(target=second)
        thread.start()
        assert told.wait(5)
        assert not entered.is_set()
    assert entered.wait(5)
    thread.join()
