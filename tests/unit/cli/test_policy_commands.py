"""``yunzhuo policy``: said, listed, taken away; what is none is refused before anything is changed."""

import json
from pathlib import Path

import pytest
from tests.support.installation import installation
from tests.support.pools import make_pool

from yunzhuo.cli import main
from yunzhuo.services.access import Role


@pytest.fixture(autouse=True)
def school(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installation with lin, a group and a pool."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        yunzhuo.person("lin")
        boss = yunzhuo.person("boss", Role.ADMINISTRATOR)
        yunzhuo.services.groups.create(boss, "Exam")
        make_pool(yunzhuo, boss, name="Room 302", spares=0)


def said(capsys: pytest.CaptureFixture[str]) -> dict[tuple[str, str], dict[str, object]]:
    """What is said now, by for whom."""
    capsys.readouterr()
    assert main(["policy", "list", "--json"]) == 0
    items = json.loads(capsys.readouterr().out.splitlines()[-1])["items"]
    return {(each["subject"], each["subject_name"]): each["says"] for each in items}


def test_a_policy_is_said_and_taken_away(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "set", "--group", "Exam", "clipboard_to_desktop=no", "session_seconds=5400"]) == 0
    assert main(["policy", "set", "--user", "lin@school.local", "view_only=yes"]) == 0
    assert main(["policy", "set", "usb=no"]) == 0
    found = said(capsys)
    assert found.pop(("group", "Exam")) == {"clipboard_to_desktop": False, "session_seconds": 5400}
    assert found.pop(("user", "lin@school.local")) == {"view_only": True}
    assert [says for (kind, _), says in found.items() if kind == "organization"] == [{"usb": False}]
    assert main(["policy", "set", "--user", "lin@school.local"]) == 0
    assert ("user", "lin@school.local") not in said(capsys)
    for wrong in (["sound=no"], ["usb=maybe"], ["session_seconds=-1"], ["--user", "a@b.c", "--pool", "x", "usb=no"]):
        assert main(["policy", "set", *wrong]) == 2
    assert main(["policy", "set", "--pool", "none", "usb=no"]) != 0
    assert len(said(capsys)) == 2


def test_a_pool_and_a_desktop_have_policies_of_their_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["policy", "list"]) == 0
    assert capsys.readouterr().out == "There are none.\n"
    with installation(tmp_path / "home") as yunzhuo:
        desktop_id = yunzhuo.available(yunzhuo.person("mei"), name="Mine")
    assert main(["policy", "set", "--pool", "Room 302", "usb=no", "kib_per_second=2048"]) == 0
    assert main(["policy", "set", "--desktop", desktop_id, "view_only=no"]) == 0
    assert said(capsys) == {
        ("pool", "Room 302"): {"usb": False, "kib_per_second": 2048},
        ("desktop", "Mine"): {"view_only": False},
    }
    assert main(["policy", "list"]) == 0
    assert "kib_per_second=2048 usb=no" in capsys.readouterr().out
    assert main(["policy", "set", "--desktop", "no-such-desktop", "usb=no"]) == 1
    assert main(["policy", "set", "--pool", "Room 303", "usb=no"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "error: There is no pool Room 303."
    assert main(["policy", "set", "--pool", "Room 302"]) == 0
    assert capsys.readouterr().out == "There is no policy any more.\n"
