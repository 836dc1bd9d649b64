"""``yunzhuo schedule`` and ``yunzhuo lease``: what is done and what ends when."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.commands import answer, said
from tests.support.installation import installation
from tests.support.pools import make_pool

from yunzhuo.services.access import Role
from yunzhuo.services.rules.lifecycle import Action

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def school(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installation with a pool, a group, and a desktop of lin's."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        boss = yunzhuo.person("boss", Role.ADMINISTRATOR)
        make_pool(yunzhuo, boss, name="Office", spares=0)
        yunzhuo.services.groups.create(boss, "Class 1")
        yunzhuo.available(yunzhuo.person("lin"), name="Mine")


def test_a_schedule_is_made_changed_run_paused_and_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    wish = ("--action", "stop", "--rule", "0  22 * * *", "--time-zone", "Asia/Shanghai")
    made = answer(capsys, "schedule", "create", "Evening", "--pool", "Office", *wish)
    assert (made["rule"], made["subject_name"], made["is_paused"]) == ("0 22 * * *", "Office", False)
    assert datetime.fromisoformat(made["next_at"]).astimezone(UTC).hour == 14
    answer(capsys, "schedule", "create", "Both", *wish, code=2)
    answer(capsys, "schedule", "create", "None", "--group", "Class 9", *wish, code=1)
    assert answer(capsys, "schedule", "create", "Class", "--group", "Class 1", *wish)["subject_kind"] == "group"
    changed = answer(capsys, "schedule", "change", "Evening", "--rule", "0 23 * * *", "--everybody", "--catch-up", "5")
    assert (changed["rule"], changed["leaves_connected"], changed["catch_up_minutes"]) == ("0 23 * * *", False, 5)
    assert answer(capsys, "schedule", "change", "Evening", "--action", "start", "--name", "Late")["action"] == "start"
    assert answer(capsys, "schedule", "change", "Late", "--name", "Evening", "--action", "stop")["rule"] == "0 23 * * *"
    assert answer(capsys, "schedule", "pause", "Evening")["next_at"] is None
    assert "paused" in said(capsys, "schedule", "list")
    assert answer(capsys, "schedule", "resume", "Evening")["next_at"] is not None
    assert answer(capsys, "schedule", "run", "Evening")["status"] == "running"
    assert [each["schedule_name"] for each in answer(capsys, "schedule", "runs", "Evening")["items"]] == ["Evening"]
    assert "Evening" in said(capsys, "schedule", "runs")
    answer(capsys, "schedule", "delete", "Evening", "--yes")
    assert [each["name"] for each in answer(capsys, "schedule", "list")["items"]] == ["Class"]
    answer(capsys, "schedule", "run", "Evening", code=1)
    answer(capsys, "schedule", "--as", "boss@school.local", "timers", code=1)


def test_terms_ends_and_the_bin(capsys: pytest.CaptureFixture[str]) -> None:
    assert [each["days"] for each in answer(capsys, "lease", "show")["items"]] == [None, None]
    kept = answer(capsys, "lease", "set", "--days", "30", "--warn", "1", "--warn", "48", "--bin-days", "7", "--for-present")
    assert (kept["kind"], kept["days"], kept["warn_hours"], kept["extend_times"]) == ("organization", 30, [48, 1], 3)
    answer(capsys, "lease", "set", "--pool", "Office", "--bin-days", "3", code=1)
    assert answer(capsys, "lease", "set", "--pool", "Office", "--days", "2", "--bin-days", "0")["is_set"]
    answer(capsys, "lease", "drop", "--pool", "Office")
    answer(capsys, "lease", "drop", "--pool", "Nothing", code=1)
    assert "Mine" in said(capsys, "lease", "calendar")
    extended = answer(capsys, "lease", "extend", "Mine")
    soon = datetime.now(UTC) + timedelta(days=3)
    assert datetime.fromisoformat(extended["ends_at"]) > soon
    ended = answer(capsys, "lease", "end", "Mine", "--at", f"{soon:%Y-%m-%dT%H:%M}")
    assert datetime.fromisoformat(ended["ends_at"]) <= soon
    answer(capsys, "lease", "end", "Mine", code=2)
    assert answer(capsys, "lease", "end", "Mine", "--never")["ends_at"] is None
    binned = answer(capsys, "desktop", "delete", "Mine", "--no-wait")
    assert binned["action"] == Action.STOP
    assert [each["name"] for each in answer(capsys, "lease", "bin")["items"]] == ["Mine"]
    assert answer(capsys, "lease", "undelete", "Mine")["bin_until"] is None
    answer(capsys, "lease", "undelete", "Mine", code=1)
    assert answer(capsys, "desktop", "delete", "Mine", "--for-good", "--no-wait")["action"] == Action.DELETE
