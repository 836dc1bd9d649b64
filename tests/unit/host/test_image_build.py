"""Building without building: what decides before, around and instead of it."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.host.image_build import build_image
from yunzhuo.host.image_files import is_whole
from yunzhuo.host.image_packages import mirror_lines
from yunzhuo.host.image_programs import ProgramFailed, base_environment, require_programs, run_logged
from yunzhuo.host.image_progress import Progress
from yunzhuo.host.image_recipe import LIGHT, Recipe
from yunzhuo.host.images import IMAGE_FILES
from yunzhuo.phoenix.common.clock import FixedClock
from yunzhuo.phoenix.common.errors import Unavailable

CLOCK = FixedClock(datetime(2026, 1, 2, tzinfo=UTC))


def put_image(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in IMAGE_FILES:
        (folder / name).write_text(name)


def test_an_image_that_is_there_is_not_built_again(tmp_path: Path) -> None:
    place = tmp_path / Recipe.read(LIGHT).image_id
    put_image(place)
    reported = list[Progress]()
    assert build_image(Recipe.read(LIGHT), tmp_path, cache_dir=None, progress=reported.append, clock=CLOCK) == place
    assert reported == []


def test_a_cached_image_is_taken_instead_of_built(tmp_path: Path) -> None:
    image_id = Recipe.read(LIGHT).image_id
    put_image(tmp_path / "cache" / "images" / image_id)
    place = build_image(
        Recipe.read(LIGHT), tmp_path / "images", cache_dir=tmp_path / "cache", progress=lambda _: None, clock=CLOCK
    )
    assert place == tmp_path / "images" / image_id
    assert is_whole(place)


def test_missing_programs_are_named_with_the_packages_that_bring_them(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as missing:
        require_programs(search_path=str(tmp_path))
    assert missing.value.code == "program_missing"
    assert "mmdebstrap" in missing.value.message
    assert "apt-get install" in missing.value.message
    assert "qemu-utils" in missing.value.message


def test_a_program_is_heard_and_logged(tmp_path: Path) -> None:
    log, heard = tmp_path / "log", list[str]()
    command = [sys.executable, "-c", "import sys; print('out', flush=True); print('err', file=sys.stderr)"]
    run_logged(command, log=log, hear=heard.append, environment=base_environment())
    assert heard == ["out", "err"]
    assert "out\nerr\n" in log.read_text()


def test_a_failed_program_points_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(ProgramFailed) as failed:
        run_logged([sys.executable, "-c", "raise SystemExit(3)"], log=log, hear=print, environment=base_environment())
    assert failed.value.exit_code == 3
    assert str(log) in failed.value.message


def test_an_interrupted_program_is_told_to_end_and_waited_for(tmp_path: Path) -> None:
    log, ended = tmp_path / "log", tmp_path / "ended"
    script = (
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(ended)!r}).touch(), sys.exit(1)))\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_logged([sys.executable, "-c", script], log=log, hear=interrupt, environment=base_environment())
    assert ended.exists()


def test_this_computers_own_mirrors_are_used() -> None:
    targets = "http://mirror.example/debian/ Debian\nhttp://mirror.example/debian-security/ Debian-Security\n"
    assert mirror_lines("bookworm", targets) == [
        "deb http://mirror.example/debian/ bookworm main",
        "deb http://mirror.example/debian/ bookworm-updates main",
        "deb http://mirror.example/debian-security/ bookworm-security main",
    ]


@pytest.mark.parametrize(
    "targets",
    [
        "",
        "http://mirror.example/ubuntu/ Ubuntu\n",
        "http://mirror.example/debian/ Debian\n",
        "cdrom://disc/ Debian\nhttp://mirror.example/debian-security/ Debian-Security\n",
    ],
)
def test_without_a_whole_set_of_mirrors_mmdebstrap_chooses(targets: str) -> None:
    assert mirror_lines("bookworm", targets) == []


@given(st.text(max_size=200))
def test_any_answer_of_apt_gives_no_line_or_all(targets: str) -> None:
    assert len(mirror_lines("bookworm", targets)) in {0, 3}
