"""``yunzhuo user``: accounts from a terminal."""

import json
from pathlib import Path

import pytest
from tests.support.installation import installation

from yunzhuo.cli import main
from yunzhuo.services.access import Role


@pytest.fixture(autouse=True)
def people(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installation with the administrator boss, and lin who has a desktop."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        yunzhuo.person("boss", Role.ADMINISTRATOR)
        yunzhuo.available(yunzhuo.person("lin"))


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, object]:
    """What a command says to a program."""
    capsys.readouterr()
    assert main([*arguments, "--json"]) == code
    found: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_an_account_is_made_changed_and_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    made = answer(capsys, "user", "add", "wang@school.local", "--one-time")
    assert made["one_time_password"]
    assert answer(capsys, "user", "role", "wang@school.local", "administrator")["role"] == "administrator"
    assert answer(capsys, "user", "disable", "wang@school.local")["disabled"] is True
    assert [each["email"] for each in answer(capsys, "user", "list", "--disabled")["items"]] == ["wang@school.local"]  # type: ignore[attr-defined]
    assert answer(capsys, "user", "enable", "wang@school.local")["disabled"] is False
    assert answer(capsys, "user", "reset", "wang@school.local")["one_time_password"] != made["one_time_password"]
    assert answer(capsys, "user", "delete", "wang@school.local")["operations"] == []
    assert answer(capsys, "user", "reset", "wang@school.local", code=1)["error"]["code"] == "user_not_found"  # type: ignore[index]


def test_a_locked_out_administrator_gets_in_again_and_stays_the_last_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "user", "reset", "boss@school.local")["one_time_password"]
    for arguments in (["disable", "boss@school.local"], ["role", "boss@school.local", "user"], ["delete", "boss@school.local"]):
        refused = answer(capsys, "user", *arguments, code=1)
        assert refused["error"]["code"] == "last_administrator"  # type: ignore[index]


def test_deleting_asks_for_the_desktops(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["user", "delete", "lin@school.local"]) == 1
    assert "Use --delete-desktops or --hand-over-to." in capsys.readouterr().err
    assert main(["user", "delete", "lin@school.local", "--delete-desktops", "--hand-over-to", "boss@school.local"]) == 2
    assert answer(capsys, "user", "delete", "lin@school.local", "--hand-over-to", "boss@school.local")["operations"] == []
    assert answer(capsys, "desktop", "list")["items"][0]["owner"] == "boss@school.local"  # type: ignore[index]
