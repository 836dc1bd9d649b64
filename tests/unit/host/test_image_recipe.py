"""What an image is made of, and the names that follow from it."""

import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest

from yunzhuo.host.image_recipe import LIGHT, RECIPES, XFCE, Recipe, recipe_names


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The light recipe (and what it extends) in a folder of its own, to be changed."""
    return Path(shutil.copytree(RECIPES, tmp_path / "recipes")) / "light"


def test_the_same_files_have_the_same_name_anywhere(copy: Path) -> None:
    assert Recipe.read(copy).image_id == Recipe.read(LIGHT).image_id
    assert Recipe.read(copy).packages_key == Recipe.read(LIGHT).packages_key


def test_the_name_has_the_shape_that_others_rely_on() -> None:
    kind, _, key = Recipe.read(LIGHT).image_id.partition("-")
    assert kind == "light"
    assert len(key) == 12
    assert int(key, 16) >= 0


@pytest.mark.parametrize(
    "name", ["packages.txt", "desktop.sh", "guest/etc/desktop/menu", "../common/configure.sh", "../common/initrd/init"]
)
def test_any_changed_file_gives_another_image(copy: Path, name: str) -> None:
    before = Recipe.read(copy).image_id
    with (copy / name).open("a") as file:
        file.write("# changed\n")
    assert Recipe.read(copy).image_id != before


def test_a_file_that_moves_gives_another_image(copy: Path) -> None:
    before = Recipe.read(copy).image_id
    (copy / "../common/guest/etc/hostname").rename(copy / "../common/guest/etc/elsewhere")
    assert Recipe.read(copy).image_id != before


def test_only_what_decides_over_packages_gives_other_packages(copy: Path) -> None:
    before = Recipe.read(copy).packages_key
    (copy / "desktop.sh").write_text("true\n")
    assert Recipe.read(copy).packages_key == before
    (copy / "excluded-paths.txt").write_text("/usr/share/doc/*\n")
    assert Recipe.read(copy).packages_key != before


def test_lists_ignore_comments_and_may_hold_several_a_line(copy: Path) -> None:
    for name in ("packages.txt", "excluded-paths.txt"):
        (copy / "../common" / name).write_text("# none\n")
    (copy / "packages.txt").write_text("# why\n\nicewm lxterminal  # both\nnano\n")
    (copy / "excluded-paths.txt").write_text("/usr/share/doc/*\n+/usr/share/doc/*/copyright\n")
    recipe = Recipe.read(copy)
    assert recipe.packages == ("icewm", "lxterminal", "nano")
    assert recipe.path_options == ("path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright")


def test_modes_follow_from_content_when_a_checkout_lost_them(copy: Path) -> None:
    for path in copy.parent.rglob("*"):
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


def test_what_builds_an_image_is_told_from_what_is_only_extended() -> None:
    assert recipe_names() == ["light", "xfce"]


def test_lists_are_put_together_and_the_more_general_come_first(copy: Path) -> None:
    (copy / "../common/packages.txt").write_text("linux-image-amd64")
    (copy / "packages.txt").write_text("icewm\n")
    (copy / "masked-units.txt").write_text("getty@tty2.service\n")
    recipe = Recipe.read(copy)
    assert recipe.packages == ("linux-image-amd64", "icewm")
    assert recipe.files["masked-units.txt"].endswith(b"\ngetty@tty2.service\n")


def test_of_two_files_with_one_name_the_recipes_own_counts(copy: Path) -> None:
    (copy / "guest/etc/hostname").write_text("own\n")
    assert Recipe.read(copy).files["guest/etc/hostname"] == b"own\n"
    assert Recipe.read(copy).files["guest/etc/hosts"] == Recipe.read(XFCE).files["guest/etc/hosts"]


def test_facts_are_those_of_both(copy: Path) -> None:
    light, xfce = Recipe.read(copy).facts, Recipe.read(XFCE).facts
    assert (light.min_memory_mib, xfce.min_memory_mib) == (512, 1024)
    assert light.kernel_args == xfce.kernel_args


def test_no_file_stands_in_two_recipes() -> None:
    """What is the same belongs into what both extend."""
    own = [
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (LIGHT, XFCE, RECIPES / "common")
    ]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not set(own[one].items()) & set(own[other].items())


@pytest.mark.parametrize("folder", [LIGHT, XFCE])
def test_every_promise_to_the_host_is_in_every_recipe(folder: Path) -> None:
    files = Recipe.read(folder).files
    promised = (
        "identify",
        "await-identity",
        "clipboard",
        "message",
        "announce",
        "autoresize",
        "session",
        "programs",
        "as-user",
    )
    assert [name for name in promised if f"guest/etc/desktop/{name}" not in files] == []
    for name in ("announce", "identify"):
        assert b"/dev/virtio-ports/desktop.ready" in files[f"guest/etc/desktop/{name}"]
