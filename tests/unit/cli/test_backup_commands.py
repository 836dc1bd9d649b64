"""``yunzhuo backup`` and ``yunzhuo restore``."""

import json
import shutil
from pathlib import Path

import pytest
from tests.support.installation import installation

from yunzhuo.cli import main
from yunzhuo.services.access import Role


@pytest.mark.slow
def test_on_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "backup.tar.gz"
    monkeypatch.setenv("YUNZHUO_HOME", str(home))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(home) as yunzhuo:
        yunzhuo.available(yunzhuo.person("boss", Role.ADMINISTRATOR), name="kept")
    assert main(["backup", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["tables"]["desktops"] == 1
    assert main(["restore", str(file)]) == 1
    assert "restored where there is none" in capsys.readouterr().err
    shutil.rmtree(home)
    assert main(["restore", str(file)]) == 0
    assert "Linux desktop" in capsys.readouterr().out
    assert main(["desktop", "list"]) == 0
    assert "kept" in capsys.readouterr().out
