"""``yunzhuo user``, what lets people in; and ``yunzhuo mail``."""

from pathlib import Path

import pytest
from tests.support.commands import answer
from tests.support.installation import PASSWORD, installation
from tests.support.mail_server import mail_server

from yunzhuo.services.access import Role


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An installation with the administrator boss, who has lost everything, and lin, who is signed in."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        yunzhuo.person("boss", Role.ADMINISTRATOR)
        lin = yunzhuo.person("lin")
        yunzhuo.services.sign_ins.sign_in(lin.email, PASSWORD, client_address="192.0.2.9")
    return tmp_path / "home"


def items(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    found = answer(capsys, *arguments)["items"]
    assert isinstance(found, list)
    return found


def test_the_machine_itself_is_a_way_in(capsys: pytest.CaptureFixture[str]) -> None:
    made = answer(capsys, "user", "recover", "boss@school.local")
    assert len(str(made["one_time_password"])) >= 16
    assert made["disabled"] is False
    assert answer(capsys, "user", "recover", "nobody@school.local", code=1)["error"]["code"] == "user_not_found"


def test_sessions_sign_ins_and_factors(capsys: pytest.CaptureFixture[str]) -> None:
    # The installation's clock stands in the past: its sessions are over by now, its history is not.
    assert items(capsys, "user", "sessions", "lin@school.local") == []
    (tried,) = items(capsys, "user", "sign-ins", "lin@school.local")
    assert (tried["outcome"], tried["client_address"]) == ("done", "192.0.2.9")
    assert answer(capsys, "user", "end-sessions", "lin@school.local")["ended"] == 1
    assert answer(capsys, "user", "reset-factors", "lin@school.local")["email"] == "lin@school.local"


def test_invitations(capsys: pytest.CaptureFixture[str]) -> None:
    made = answer(capsys, "user", "invite", "wang@school.local", "--role", "administrator")
    assert str(made["link"]).startswith("http://localhost:8080/welcome?proof=")
    assert [each["email"] for each in items(capsys, "user", "invitations")] == ["wang@school.local"]
    assert items(capsys, "user", "invitations", "--withdraw", "wang@school.local") == []


def test_a_service_account_and_its_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "user", "add-service", "backup@services.local")
    create = ("user", "token", "create")
    made = answer(capsys, *create, "backup@services.local", "nightly", "--read-only", "--days", "7")
    assert str(made["token"]).startswith("yz_")
    assert answer(capsys, *create, "lin@school.local", "x", code=1)["error"]["code"] == "not_a_service"
    (listed,) = items(capsys, "user", "token", "list", "backup@services.local")
    assert (listed["name"], listed["verbs"]) == ("nightly", ["*:read"])
    answer(capsys, "user", "token", "revoke", "backup@services.local", str(listed["id"]))
    assert items(capsys, "user", "token", "list", "backup@services.local") == []


def test_whether_mail_goes_out(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(capsys, "mail", "test", "lin@school.local", code=1)["error"]["code"] == "no_mail"
    with mail_server() as server:
        for name, value in (("HOST", "127.0.0.1"), ("PORT", str(server.port)), ("SECURITY", "none")):
            monkeypatch.setenv(f"YUNZHUO_MAIL__{name}", value)
        answer(capsys, "mail", "test", "lin@school.local")
        assert server.recipients == ["lin@school.local"]
