"""``yunzhuo policy``: said, listed, taken away; what is none is refused before anything is changed."""

import json
from pathlib import Path

import pytest
from tests.support.installation import installation

from yunzhuo.cli import main
from yunzhuo.services.access import Role


@pytest.fixture(autouse=True)
def school(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installation with lin and a group."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        yunzhuo.person("lin")
        yunzhuo.services.groups.create(yunzhuo.person("boss", Role.ADMINISTRATOR), "Exam")


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
