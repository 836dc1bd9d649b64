"""``yunzhuo disk``, beside a Yunzhuo that has a desktop."""

import json
from pathlib import Path

import pytest
from tests.support.installation import installation

from yunzhuo.cli import main
from yunzhuo.phoenix.common.clock import SystemClock


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        monkeypatch.setenv("YUNZHUO_DATABASE__URL", yunzhuo.settings.database.url)
        yunzhuo.available(yunzhuo.person("lin"), name="Maths")
    return tmp_path / "home"


def run(*arguments: str) -> int:
    return main(["disk", "--as", "lin@school.local", *arguments])


def test_a_disk_from_the_command_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show") == 1
    assert "no personal disk" in capsys.readouterr().err
    assert run("create", "--size-mib", "256") == 0
    assert run("snapshot", "create", "Monday") == 0
    assert run("connect", "Maths", "--no-wait") == 0
    with installation(home) as yunzhuo:
        # The command line goes by the real time.
        yunzhuo.clock.set(SystemClock().now())
        yunzhuo.run()
    capsys.readouterr()
    assert main(["--json", "disk", "--as", "lin@school.local", "show"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["size_mib"], shown["used_mib"], shown["state"]) == (256, 0, "connected")
    assert shown["desktop"]["name"] == "Maths"
    assert run("delete", "--yes") == 1
    assert "disconnect it first" in capsys.readouterr().err
    assert run("disconnect", "--no-wait") == 0
    with installation(home) as yunzhuo:
        # The command line goes by the real time.
        yunzhuo.clock.set(SystemClock().now())
        yunzhuo.run()
    assert run("snapshot", "restore", "Monday", "--yes") == 0
    assert run("snapshot", "list") == 0
    assert "Monday" in capsys.readouterr().out
    assert run("snapshot", "restore", "Tuesday", "--yes") == 1
    assert run("snapshot", "delete", "Monday") == 0
    assert run("delete", "--yes") == 0
    assert run("show") == 1
