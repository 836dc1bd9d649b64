"""``yunzhuo gateways``: made known, drained, used again, forgotten; and the networks that go to inner addresses."""

from pathlib import Path

import pytest
from tests.support.commands import answer, refusal, said
from tests.support.installation import installation

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home"):
        pass


def states(capsys: Output) -> dict[str, str]:
    return {each["name"]: each["state"] for each in answer(capsys, "gateways", "list")["items"]}


def test_a_gateway_is_made_known_drained_used_again_and_forgotten(capsys: Output) -> None:
    before = states(capsys)
    made = answer(
        capsys, "gateways", "add", "north", "wss://north.school.example:7443", "--internal-url", "wss://10.1.0.9:7443"
    )
    assert (made["gateway"]["name"], made["gateway"]["last_seen_at"]) == ("north", None)
    text = said(capsys, "gateways", "key", "north")
    assert text.splitlines()[0] == "The key of north, shown this once; put it into the gateway's key file:"
    assert text.splitlines()[1] != made["key"]
    assert said(capsys, "gateways", "drain", "north") == "north takes no new sessions any more.\n"
    assert states(capsys) == {**before, "north": "draining"}
    assert said(capsys, "gateways", "use", "north") == "north takes sessions again.\n"
    (line,) = (each.split() for each in said(capsys, "gateways", "list").splitlines() if each.startswith("north "))
    assert line == ["north", "wss://north.school.example:7443", "unseen", "active", "0"]
    assert said(capsys, "gateways", "forget", "north") == "north is forgotten.\n"
    assert states(capsys) == before


@pytest.mark.parametrize("command", ["key", "drain", "use", "forget"])
def test_a_gateway_that_there_is_not_is_told(capsys: Output, command: str) -> None:
    assert refusal(capsys, "gateways", command, "south") == "error: There is no gateway south.\n"


def test_what_is_no_gateway_is_refused(capsys: Output) -> None:
    answer(capsys, "gateways", "add", "north", "wss://north.school.example:7443")
    again = answer(capsys, "gateways", "add", "north", "wss://other.school.example:7443", code=1)
    assert again["error"]["code"] == "gateway_name_taken"
    assert "Write it as wss://HOST:PORT." in refusal(capsys, "gateways", "add", "south", "http://south.school.example")


def test_inner_networks_are_named_shown_and_taken_out(capsys: Output) -> None:
    assert said(capsys, "gateways", "segments") == "There are none.\n"
    named = answer(capsys, "gateways", "segments", "--add", "10.1.0.0/16", "--name", "room 302")["items"]
    assert [(each["name"], each["network"]) for each in named] == [("room 302", "10.1.0.0/16")]
    lines = said(capsys, "gateways", "segments", "--add", "10.2.0.0/16").splitlines()
    assert [line.split() for line in lines[1:]] == [["10.2.0.0/16", "10.2.0.0/16"], ["room", "302", "10.1.0.0/16"]]
    assert "Write it as 10.1.0.0/16." in refusal(capsys, "gateways", "segments", "--add", "everywhere")
    assert refusal(capsys, "gateways", "segments", "--remove", "cellar") == "error: There is no segment cellar.\n"
    left = answer(capsys, "gateways", "segments", "--remove", "room 302")["items"]
    assert [each["name"] for each in left] == ["10.2.0.0/16"]
