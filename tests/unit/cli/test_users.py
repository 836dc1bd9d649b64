"""``yunzhuo user``: accounts from a terminal."""

import io
import sys
from pathlib import Path

import pytest
from tests.support.commands import answer, refusal, said
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


def test_an_account_is_made_changed_and_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    made = answer(capsys, "user", "add", "wang@school.local", "--one-time")
    assert made["one_time_password"]
    assert answer(capsys, "user", "role", "wang@school.local", "administrator")["role"] == "administrator"
    assert answer(capsys, "user", "disable", "wang@school.local")["disabled"] is True
    assert [each["email"] for each in answer(capsys, "user", "list", "--disabled")["items"]] == ["wang@school.local"]
    assert answer(capsys, "user", "enable", "wang@school.local")["disabled"] is False
    assert answer(capsys, "user", "reset", "wang@school.local")["one_time_password"] != made["one_time_password"]
    assert answer(capsys, "user", "delete", "wang@school.local")["operations"] == []
    assert answer(capsys, "user", "reset", "wang@school.local", code=1)["error"]["code"] == "user_not_found"


def test_a_locked_out_administrator_gets_in_again_and_stays_the_last_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "user", "reset", "boss@school.local")["one_time_password"]
    for arguments in (["disable", "boss@school.local"], ["role", "boss@school.local", "user"], ["delete", "boss@school.local"]):
        refused = answer(capsys, "user", *arguments, code=1)
        assert refused["error"]["code"] == "last_administrator"


def test_deleting_asks_for_the_desktops(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["user", "delete", "lin@school.local"]) == 1
    assert "Use --delete-desktops or --hand-over-to." in capsys.readouterr().err
    assert main(["user", "delete", "lin@school.local", "--delete-desktops", "--hand-over-to", "boss@school.local"]) == 2
    assert answer(capsys, "user", "delete", "lin@school.local", "--hand-over-to", "boss@school.local")["operations"] == []
    assert answer(capsys, "desktop", "list")["items"][0]["owner"] == "boss@school.local"


def test_deleting_asks_for_the_personal_disk(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with installation(tmp_path / "home") as yunzhuo:
        yunzhuo.services.personal_disks.create(yunzhuo.person("wang"))
    assert refusal(capsys, "user", "delete", "wang@school.local").endswith(" Use --delete-disk.\n")
    assert said(capsys, "user", "delete", "wang@school.local", "--delete-disk") == "wang@school.local is deleted.\n"
    gone = said(capsys, "user", "delete", "lin@school.local", "--delete-desktops")
    assert gone == "lin@school.local is deleted. 1 desktops are being deleted.\n"


def test_a_list_of_people_is_rehearsed_and_taken_in(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    people, passwords = tmp_path / "class.csv", tmp_path / "passwords.csv"
    assert said(capsys, "user", "template", str(people)) == f"{people} was written.\n"
    assert people.read_text(encoding="utf-8-sig").splitlines()[0] == "email,role,groups,language"
    people.write_text("email,role\nwang@school.local,\nzhao@school.local,administrator\n")
    assert said(capsys, "user", "import", "--dry-run", str(people)) == "2 lines, all of them right.\n"
    assert answer(capsys, "user", "list", "--search", "WANG")["items"] == []
    text = said(capsys, "user", "import", str(people), "--passwords", str(passwords))
    assert text == f"2 accounts were made; their one-time passwords are in {passwords}.\n"
    assert passwords.stat().st_mode & 0o077 == 0
    written = passwords.read_text(encoding="utf-8-sig").splitlines()
    assert written[0] == "email,one_time_password"
    assert [line.split(",")[0] for line in written[1:]] == ["wang@school.local", "zhao@school.local"]
    assert [each["email"] for each in answer(capsys, "user", "list", "--role", "administrator")["items"]] == [
        "boss@school.local",
        "zhao@school.local",
    ]
    people.write_text("email\nqian@school.local\n")
    lines = said(capsys, "user", "import", str(people)).splitlines()
    assert lines[0].split() == ["ADDRESS", "ONE-TIME", "PASSWORD"]
    assert lines[1].startswith("qian@school.local ")


def test_a_list_with_mistakes_adds_nobody(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    people = tmp_path / "class.csv"
    people.write_text("email,role\nwang@school.local,\nlin@school.local,\nzhao@school.local,king\n")
    told = refusal(capsys, "user", "import", str(people)).splitlines()
    assert told[:3] == [
        "error: Nobody was added.",
        "line 3 (lin@school.local): There is such an account already.",
        "line 4 (zhao@school.local): There is no role king.",
    ]
    assert answer(capsys, "user", "list", "--search", "wang")["items"] == []
    people.write_text("email,role\n" + "".join(f"p{number}@school.local,king\n" for number in range(30)))
    told = refusal(capsys, "user", "import", str(people)).splitlines()
    assert "and 10 more." in told[-1]


def test_everybody_is_written_to_a_sheet(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("all.csv", "all.xlsx"):
        assert said(capsys, "user", "export", str(tmp_path / name)) == f"{tmp_path / name} was written.\n"
    assert "lin@school.local,user" in (tmp_path / "all.csv").read_text(encoding="utf-8-sig")
    assert (tmp_path / "all.xlsx").read_bytes().startswith(b"PK")
    assert "There is such an account already." in refusal(capsys, "user", "import", str(tmp_path / "all.xlsx"))


def test_a_password_is_read_from_a_pipe_and_asked_for_on_a_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse battery\n"))
    assert "one_time_password" not in answer(capsys, "user", "add", "wang@school.local", "--password-stdin")
    assert "use --password-stdin" in refusal(capsys, "user", "add", "zhao@school.local")
    assert refusal(capsys, "user", "delete", "nobody@school.local") == "error: There is no account nobody@school.local.\n"
