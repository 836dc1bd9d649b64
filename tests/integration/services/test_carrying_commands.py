"""`yunzhuo desktop put`, `get` and `clipboard`, beside a Yunzhuo that has a desktop."""

import io
import os
from pathlib import Path

import pytest
from tests.support.installation import installation

from yunzhuo.cli import main
from yunzhuo.services.access import Role


@pytest.fixture
def desktop_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        monkeypatch.setenv("YUNZHUO_DATABASE__URL", yunzhuo.settings.database.url)
        lin = yunzhuo.person("lin")
        yunzhuo.person("boss", Role.ADMINISTRATOR)
        desktop_id = yunzhuo.available(lin, name="Maths")
    return desktop_id


def run(*arguments: str) -> int:
    return main(["desktop", "--as", "lin@school.local", *arguments])


def test_a_file_there_and_back(desktop_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent, received = tmp_path / "课 1.bin", tmp_path / "back"
    sent.write_bytes(os.urandom(2 * 1024 * 1024 + 3))
    assert run("put", "Maths", str(sent)) == 0
    assert run("get", desktop_id, sent.name, "--to", str(received)) == 0
    assert received.read_bytes() == sent.read_bytes()
    assert run("get", desktop_id, "missing", "--to", str(tmp_path / "none")) == 1
    assert "no such file" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_the_clipboard(desktop_id: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe\n"))
    assert run("clipboard", "Maths", "--set", "-") == 0
    assert run("clipboard", "Maths") == 0
    assert capsys.readouterr().out == "from a pipe\n\n"
    assert run("clipboard", "Maths", "--set", "粘贴") == 0
    assert run("clipboard", "Maths", "--json") == 0
    assert '"粘贴"' in capsys.readouterr().out.replace("\\u7c98\\u8d34", "粘贴")


def test_an_administrator_who_is_not_the_owner_may_not(desktop_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["desktop", "clipboard", desktop_id]) == 1
    assert "not allowed" in capsys.readouterr().err
