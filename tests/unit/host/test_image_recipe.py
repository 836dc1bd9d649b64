"""What an image is made of, and the names that follow from it."""

import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest

from yunzhuo.host.image_recipe import LIGHT, Recipe


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The light recipe in a folder of its own, to be changed."""
    return Path(shutil.copytree(LIGHT, tmp_path / "recipe"))


def test_the_same_files_have_the_same_name_anywhere(copy: Path) -> None:
    assert Recipe.read(copy).image_id == Recipe.read(LIGHT).image_id
    assert Recipe.read(copy).packages_key == Recipe.read(LIGHT).packages_key


def test_the_name_has_the_shape_that_others_rely_on() -> None:
    kind, _, key = Recipe.read(LIGHT).image_id.partition("-")
    assert kind == "light"
    assert len(key) == 12
    assert int(key, 16) >= 0


@pytest.mark.parametrize("name", ["packages.txt", "configure.sh", "initrd/init", "guest/etc/desktop/identify"])
def test_any_changed_file_gives_another_image(copy: Path, name: str) -> None:
    before = Recipe.read(copy).image_id
    with (copy / name).open("a") as file:
        file.write("# changed\n")
    assert Recipe.read(copy).image_id != before


def test_a_file_that_moves_gives_another_image(copy: Path) -> None:
    before = Recipe.read(copy).image_id
    (copy / "guest/etc/hostname").rename(copy / "guest/etc/elsewhere")
    assert Recipe.read(copy).image_id != before


def test_only_what_decides_over_packages_gives_other_packages(copy: Path) -> None:
    before = Recipe.read(copy).packages_key
    (copy / "configure.sh").write_text("true\n")
    assert Recipe.read(copy).packages_key == before
    (copy / "excluded-paths.txt").write_text("/usr/share/doc/*\n")
    assert Recipe.read(copy).packages_key != before


def test_lists_ignore_comments_and_may_hold_several_a_line(copy: Path) -> None:
    (copy / "packages.txt").write_text("# why\n\nicewm lxterminal  # both\nnano\n")
    (copy / "excluded-paths.txt").write_text("/usr/share/doc/*\n+/usr/share/doc/*/copyright\n")
    recipe = Recipe.read(copy)
    assert recipe.packages == ("icewm", "lxterminal", "nano")
    assert recipe.path_options == ("path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright")


def test_modes_follow_from_content_when_a_checkout_lost_them(copy: Path) -> None:
    for path in copy.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
    with tempfile.TemporaryFile() as archive:
        Recipe.read(copy).write_guest_files(archive)
        archive.seek(0)
        with tarfile.open(fileobj=archive) as tar:
            entries = {entry.name: entry for entry in tar}
    assert entries["etc/desktop/identify"].mode == 0o755
    assert entries["etc/hostname"].mode == 0o644
    assert entries["etc/sudoers.d/user"].mode == 0o440
    assert entries["recipe/initrd/init"].mode == 0o755
    assert {(entry.uid, entry.gid) for entry in entries.values()} == {(0, 0)}
