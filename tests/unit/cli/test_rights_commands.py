"""``yunzhuo delegation`` and ``yunzhuo quota usage``: what people let each other do, and what was used."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.commands import answer
from tests.support.installation import installation

from yunzhuo.cli import main


@pytest.fixture(autouse=True)
def people(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installation with lin, whose desktop ran for ten minutes today, and mei."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        yunzhuo.clock.set(datetime.now(UTC).replace(hour=12, minute=0))
        yunzhuo.available(yunzhuo.person("lin"))
        yunzhuo.person("mei")
        yunzhuo.services.usage.count()
        yunzhuo.pass_time(600)
        yunzhuo.services.usage.count()


def test_a_person_lets_somebody_use_their_desktops(capsys: pytest.CaptureFixture[str]) -> None:
    lin = ("delegation", "--as", "lin@school.local")
    made = answer(capsys, *lin, "let", "mei@school.local", "desktop:start", "--days", "3")
    assert made["verbs"] == ["desktop:read", "desktop:start"]
    until = datetime.fromisoformat(str(made["until"]))
    assert timedelta(days=2, hours=23) < until - datetime.now(UTC) <= timedelta(days=3)
    expected = [{"from": "lin@school.local", "to": "mei@school.local", "until": made["until"], "verbs": made["verbs"]}]
    assert answer(capsys, *lin, "list")["items"] == expected
    assert answer(capsys, "delegation", "--as", "mei@school.local", "list")["items"] == expected
    everything = answer(capsys, *lin, "let", "mei@school.local")["verbs"]
    assert isinstance(everything, list)
    assert len(everything) == 10
    answer(capsys, *lin, "take-back", "mei@school.local")
    assert answer(capsys, *lin, "list")["items"] == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("mei@school.local", "desktop:delete"), "invalid_input"),
        (("lin@school.local", "desktop:start"), "invalid_input"),
        (("nobody@school.local", "desktop:start"), "user_not_found"),
    ],
)
def test_what_cannot_be_let_is_told(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: str) -> None:
    told = answer(capsys, "delegation", "--as", "lin@school.local", "let", *arguments, code=1)["error"]
    assert isinstance(told, dict)
    assert told["code"] == code


def test_usage_is_told_by_day_and_person(capsys: pytest.CaptureFixture[str]) -> None:
    days = answer(capsys, "quota", "usage", "--days", "7")["items"]
    assert isinstance(days, list)
    assert len(days) == 7
    today = days[-1]
    assert (today["desktops"], today["running_hours"]) == (1, 0.17)
    assert today["memory_gib_hours"] > 0
    assert answer(capsys, "quota", "usage", "--days", "1", "--user", "lin@school.local")["items"] == [today]
    of_mei = answer(capsys, "quota", "usage", "--days", "1", "--user", "mei@school.local")["items"]
    assert isinstance(of_mei, list)
    assert [day["desktops"] for day in of_mei] == [0]
    capsys.readouterr()
    assert main(["quota", "usage", "--days", "1"]) == 0
    assert "RUNNING HOURS" in capsys.readouterr().out
