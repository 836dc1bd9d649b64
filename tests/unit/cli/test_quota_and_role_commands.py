"""``yunzhuo quota``, ``group`` and ``role``: how much there is for whom, people under a name, and what they may."""

from pathlib import Path

import pytest
from tests.support.commands import answer, refusal, said
from tests.support.installation import installation

from yunzhuo.services.access import Role

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def school(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installation with lin, who has a desktop, and her administrator boss."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        yunzhuo.person("boss", Role.ADMINISTRATOR)
        yunzhuo.available(yunzhuo.person("lin"))


def test_a_limit_is_set_for_whom_is_named_and_taken_away(capsys: Output) -> None:
    assert said(capsys, "quota", "list") == "There are none.\n"
    said(capsys, "group", "add", "Class 1")
    assert said(capsys, "quota", "set", "desktops", "50") == "The quota is set.\n"
    assert answer(capsys, "quota", "set", "--group", "Class 1", "desktops", "20")["of"] == "group"
    answer(capsys, "quota", "set", "--user", "lin@school.local", "desktops", "2")
    found = answer(capsys, "quota", "list")["items"]
    assert [(each["of"], each["most"]) for each in found] == [("organization", 50), ("group", 20), ("user", 2)]
    assert [each["name"] for each in found[1:]] == ["Class 1", "lin@school.local"]
    lines = [line.split() for line in said(capsys, "quota", "show", "lin@school.local").splitlines()]
    assert lines[0] == ["RESOURCE", "OF", "USED", "MOST"]
    assert ["desktops", "user", "1", "2"] in lines
    answer(capsys, "quota", "set", "--user", "lin@school.local", "desktops", "none")
    assert [each["of"] for each in answer(capsys, "quota", "list")["items"]] == ["organization", "group"]


def test_each_organization_has_its_own(capsys: Output) -> None:
    answer(capsys, "organization", "add", "North")
    answer(capsys, "quota", "set", "--organization", "North", "desktops", "5")
    answer(capsys, "group", "add", "--organization", "North", "Chess")
    assert answer(capsys, "quota", "list")["items"] == answer(capsys, "group", "list")["items"] == []
    assert "North" in said(capsys, "quota", "list", "--organization", "North")
    assert refusal(capsys, "quota", "set", "--group", "Chess", "desktops", "5") == "error: There is no group Chess.\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("quota", "set", "--user", "lin@school.local", "--group", "Class 1", "desktops", "5"),
            "Say --user or --group, not both.",
        ),
        (("quota", "set", "desktops", "many"), "MOST is a whole number, or none."),
        (("quota", "set", "desktops", "--", "-1"), "MOST is a whole number, or none."),
        (("quota", "usage", "--days", "0"), "0 is not in the range"),
        (("role", "grant", "Helper"), "Say --user or --group."),
        (("role", "grant", "--user", "lin@school.local", "--group", "Class 1", "Helper"), "Say --user or --group."),
        (("role", "add", "Helper"), "Missing argument 'GRANTS...'"),
    ],
)
def test_a_wrong_call_is_told(capsys: Output, arguments: tuple[str, ...], told: str) -> None:
    assert told in refusal(capsys, *arguments, code=2)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("quota", "show", "nobody@school.local"), "user_not_found"),
        (("quota", "set", "--user", "nobody@school.local", "desktops", "5"), "user_not_found"),
        (("quota", "set", "desktops", "99999999999999999999"), "invalid_input"),
        (("group", "delete", "Class 9"), "group_not_found"),
        (("group", "members", "Class 9"), "group_not_found"),
        (("role", "add", "Helper", "desktop:fly=own"), "invalid_input"),
        (("role", "add", "Helper", "desktop:read=moon"), "invalid_input"),
        (("role", "delete", "user"), "role_not_found"),
        (("role", "grant", "--user", "lin@school.local", "Helper"), "role_not_found"),
    ],
)
def test_what_cannot_be_is_told(capsys: Output, arguments: tuple[str, ...], code: str) -> None:
    assert answer(capsys, *arguments, code=1)["error"]["code"] == code


def test_a_group_is_made_filled_emptied_and_deleted(capsys: Output) -> None:
    assert said(capsys, "group", "add", "Class 1") == "The group Class 1 was made.\n"
    assert said(capsys, "group", "members", "Class 1") == "There are none.\n"
    assert said(capsys, "group", "put", "Class 1", "lin@school.local") == "lin@school.local is in Class 1.\n"
    (member,) = answer(capsys, "group", "members", "Class 1")["items"]
    assert member == {"email": "lin@school.local", "is_owner": False}
    answer(capsys, "group", "put", "--owner", "Class 1", "lin@school.local")
    assert said(capsys, "group", "members", "Class 1").splitlines()[1].split() == ["lin@school.local", "owner"]
    assert said(capsys, "group", "list").splitlines()[1].split() == ["Class", "1", "1"]
    taken_out = said(capsys, "group", "put", "--remove", "Class 1", "lin@school.local")
    assert taken_out == "lin@school.local is no longer in Class 1.\n"
    assert answer(capsys, "group", "members", "Class 1")["items"] == []
    assert said(capsys, "group", "delete", "Class 1") == "The group Class 1 is deleted.\n"
    assert said(capsys, "group", "list") == "There are none.\n"


def test_a_role_is_put_together_given_taken_back_and_deleted(capsys: Output, tmp_path: Path) -> None:
    assert "desktop:reboot" in answer(capsys, "role", "verbs")
    built_in = answer(capsys, "role", "list")["items"]
    assert all(each["built_in"] for each in built_in)
    made = answer(capsys, "role", "add", "Helper", "desktop:read=group", "desktop:reboot=group")
    assert answer(capsys, "role", "list")["items"][len(built_in) :] == [
        {"name": "Helper", "built_in": False, "grants": {"desktop:read": "group", "desktop:reboot": "group"}}
    ]
    answer(capsys, "group", "add", "Class 1")
    has, has_not = "has the role Helper.\n", "no longer has the role Helper.\n"
    assert said(capsys, "role", "grant", "--user", "lin@school.local", "Helper") == f"lin@school.local {has}"
    assert said(capsys, "role", "grant", "--group", "Class 1", "Helper") == f"Class 1 {has}"

    def holders() -> int:
        with installation(tmp_path / "home") as yunzhuo:
            itself = yunzhuo.services.accounts.by_email("boss@school.local").actor()
            return len(yunzhuo.services.roles.holders(itself, made["id"]))

    assert holders() == 2
    assert said(capsys, "role", "grant", "--withdraw", "--user", "lin@school.local", "Helper") == f"lin@school.local {has_not}"
    assert holders() == 1
    assert refusal(capsys, "role", "grant", "--group", "Class 9", "Helper") == "error: There is no group Class 9.\n"
    assert said(capsys, "role", "delete", "Helper") == "The role Helper is deleted.\n"
    assert [line.split()[0] for line in said(capsys, "role", "list").splitlines()[1:]] == [each["name"] for each in built_in]
