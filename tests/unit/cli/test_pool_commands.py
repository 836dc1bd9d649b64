"""``yunzhuo pool``: made, filled, changed, a desktop of it, deleted."""

from pathlib import Path

import pytest
from tests.support.commands import answer, said
from tests.support.installation import installation
from tests.support.pools import make_pool, settle

from yunzhuo.cli import main
from yunzhuo.phoenix.cloud.network_resources import SubnetRequest
from yunzhuo.services.access import Role
from yunzhuo.services.cloud_networks import Template

pytestmark = pytest.mark.slow

AS_LIN = ("pool", "--as", "lin@school.local")


@pytest.fixture(autouse=True)
def school(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installation with a pool in which lin is, and in which a desktop stands ready."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        boss = yunzhuo.person("boss", Role.ADMINISTRATOR)
        make_pool(yunzhuo, boss, name="Room 302", members=[yunzhuo.person("lin")], capacity=3, spares=1)
        yunzhuo.services.groups.create(boss, "Class 1")
        settle(yunzhuo, rounds=2)


def test_a_pool_is_made_filled_changed_and_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    hours = ("--hours", "mon,tue 08:00-12:00 2", "--hours", "Fri 13:00-17:00 1", "--time-zone", "Asia/Shanghai")
    made = answer(capsys, "pool", "create", "Office", "--capacity", "4", "--spares", "1", *hours, "--release-after", "30")
    assert made["hours"] == ["mon,tue 08:00-12:00 2", "fri 13:00-17:00 1"]
    assert (made["kind"], made["time_zone"], made["release_after_minutes"]) == ("floating", "Asia/Shanghai", 30)
    added = answer(capsys, "pool", "members", "Office", "--add", "Class 1", "--add", "lin@school.local")["items"]
    assert [(each["name"], each["is_group"]) for each in added] == [("Class 1", True), ("lin@school.local", False)]
    assert [each["name"] for each in answer(capsys, "pool", "members", "Office", "--remove", "Class 1")["items"]] == [
        "lin@school.local"
    ]
    changed = answer(capsys, "pool", "change", "Office", "--capacity", "9", "--no-hours", "--release-after", "0")
    assert (changed["capacity"], changed["spares"], changed["hours"], changed["release_after_minutes"]) == (9, 1, [], None)
    answer(capsys, "pool", "delete", "Office", "--yes")
    assert [each["name"] for each in answer(capsys, "pool", "list")["items"]] == ["Room 302"]


def test_a_desktop_is_got_and_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    claimed = answer(capsys, *AS_LIN, "claim", "Room 302")
    assert (claimed["way"], claimed["desktop"]["state"]) == ("ready", "available")
    assert claimed["desktop"]["owner"] == "lin@school.local"
    (mine,) = answer(capsys, *AS_LIN, "mine")["items"]
    assert mine["desktop_id"] == claimed["desktop"]["id"]
    assert answer(capsys, "pool", "times", "Room 302")["waiting"]["count"] == 1
    assert answer(capsys, *AS_LIN, "release", "Room 302", "--yes")["action"] == "delete"
    assert answer(capsys, *AS_LIN, "mine")["items"][0]["desktop_id"] is None


def test_what_stands_where_is_told_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert "ready" in said(capsys, *AS_LIN, "mine")
    assert "within the goal" not in said(capsys, "pool", "times", "Room 302")
    answer(capsys, "pool", "change", "Room 302", "--image", "Linux desktop", "--flavor", "Small", "--goal", "5")
    assert "Room 302" in said(capsys, *AS_LIN, "claim", "Room 302")
    assert "yours" in said(capsys, *AS_LIN, "mine")
    assert "100 % were within the goal of 5 s." in said(capsys, "pool", "times", "Room 302")
    answer(capsys, "pool", "create", "Closed", "--capacity", "1")
    answer(capsys, "pool", "members", "Closed", "--add", "lin@school.local", "--add", "boss@school.local")
    assert "takes a while" in said(capsys, *AS_LIN, "mine")
    answer(capsys, "pool", "--as", "boss@school.local", "claim", "Closed")
    assert "full" in said(capsys, *AS_LIN, "mine")
    members = said(capsys, "pool", "members", "Closed", "--add", "Class 1")
    assert "Class 1" in members
    assert "person" in members
    assert (
        "There is no image Windows 3.1"
        in answer(capsys, "pool", "change", "Closed", "--image", "Windows 3.1", code=1)["error"]["message"]
    )


def test_idle_rules_of_a_pool_and_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "idle", "set", "--disconnected", "60")
    assert answer(capsys, "idle", "set", "--pool", "Room 302", "--no-input", "30")["name"] == "Room 302"
    told = said(capsys, "idle", "show")
    assert "60: stop" in told
    assert answer(capsys, "idle", "set", "--pool", "Moon", "--no-input", "30", code=1)["error"]["code"] == "pool_not_found"
    answer(capsys, "idle", "drop", "--pool", "Room 302")
    assert [each["is_set"] for each in answer(capsys, "idle", "show")["items"]] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("pool", "--as", "boss@school.local", "claim", "Room 302"), "pool_not_found"),
        ((*AS_LIN, "release", "Room 302", "--yes"), "no_desktop_of_pool"),
        ((*AS_LIN, "list"), "forbidden"),
        (("pool", "change", "Nothing", "--capacity", "2"), "pool_not_found"),
        (("pool", "create", "Room 302", "--capacity", "2"), "pool_name_taken"),
        (("pool", "create", "New", "--capacity", "0"), "invalid_input"),
    ],
)
def test_what_cannot_be_is_told(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: str) -> None:
    assert answer(capsys, *arguments, code=1)["error"]["code"] == code


def test_an_image_is_rolled_out_and_taken_back(capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "pool", "change", "Room 302", "--flavor", "Large", "--goal", "5")
    rollout = ("pool", "rollout")
    assert answer(capsys, *rollout, "show", "Room 302", code=1)["error"]["code"] == "rollout_not_found"
    wrong = answer(capsys, *rollout, "start", "Room 302", "--image", "Big desktop", "--stages", "ten", code=1)
    assert wrong["error"]["code"] == "invalid_input"
    begun = answer(capsys, *rollout, "start", "Room 302", "--image", "Big desktop", "--stages", "50,100", "--notice", "0")
    assert (begun["status"], begun["stages"], begun["level"]) == ("running", [50, 100], 1)
    assert answer(capsys, *rollout, "pause", "Room 302")["status"] == "paused"
    assert answer(capsys, *rollout, "resume", "Room 302")["status"] == "running"
    assert answer(capsys, *rollout, "advance", "Room 302", "--from-stage", "1")["stage"] == 1
    assert answer(capsys, *rollout, "back", "Room 302", "--yes")["is_back"]
    capsys.readouterr()
    assert main([*rollout, "show", "Room 302"]) == 0
    told = capsys.readouterr().out
    assert "running (back)" in told
    assert "Big desktop (1)" in told
    assert answer(capsys, "pool", "change", "Room 302", "--goal", "0")["goal_seconds"] is None


def test_a_pools_network_and_security_groups_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with installation(tmp_path / "home") as yunzhuo:
        chief = yunzhuo.person("chief", Role.OPERATOR)
        yunzhuo.services.cloud_networks.create_network(chief, "lab", SubnetRequest("lab", "10.9.0.0/24"))
        yunzhuo.services.cloud_networks.create_security_group(chief, "exam", "", Template.CLOSED)
    pool = ("pool", "--as", chief.email)
    place = ("--network", "lab", "--security-group", "exam")
    made = answer(capsys, *pool, "create", "Lab", "--capacity", "4", *place)
    assert (made["network_name"], list(made["security_groups"].values())) == ("lab", ["exam"])
    changed = answer(capsys, *pool, "change", "Lab", "--no-network", "--no-security-groups")
    assert (changed["network_name"], changed["security_groups"]) == (None, {})
    assert "There is no network moon" in answer(capsys, *pool, "change", "Lab", "--network", "moon", code=1)["error"]["message"]
    assert answer(capsys, "pool", "create", "Office", "--capacity", "4", *place, code=1)["error"]["code"] == "forbidden"
