"""``yunzhuo image``: bringing images in, showing them, deleting them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from yunzhuo.cli import main


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The state folder of an installation that has nothing yet."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "mine.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "64M"], check=True)
    return path


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, exit_code: int = 0) -> Any:
    assert main(["image", *arguments, "--json"]) == exit_code
    return json.loads(capsys.readouterr().out)


def test_an_image_comes_in_is_shown_and_goes(capsys: pytest.CaptureFixture[str], disk: Path) -> None:
    assert answer(capsys, "list") == {"items": []}
    made = answer(capsys, "import", str(disk), "--name", "Mine", "--min-memory-mib", "512")
    assert (made["name"], made["min_memory_mib"], made["min_disk_mib"]) == ("Mine", 512, 64)
    assert made["boots_by_itself"] is True
    assert answer(capsys, "list") == {"items": [made]}
    assert main(["image", "list"]) == 0
    heads, row = capsys.readouterr().out.splitlines()
    assert heads.split()[:3] == ["ID", "NAME", "VERSION"]
    assert row.split()[:2] == [made["id"], "Mine"]
    assert answer(capsys, "delete", made["id"]) == {"deleted": made["id"]}
    assert answer(capsys, "list") == {"items": []}


def test_a_file_that_is_no_disk_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no disk")
    refused = answer(capsys, "import", str(tmp_path / "text"), "--name", "Mine", exit_code=1)
    assert refused["error"]["code"] == "image_refused"


def test_an_image_that_is_not_there_cannot_be_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "delete", "light-0", exit_code=1)["error"]["code"] == "image_not_found"


def test_only_recipes_that_are_there_can_be_built(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "build", "windows"]) == 2
    assert "'light', 'xfce'" in capsys.readouterr().err
