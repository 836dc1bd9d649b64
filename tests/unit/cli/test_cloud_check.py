"""``yunzhuo cloud check``: every call tried, told one by one, and nothing left behind."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from yunzhuo.cli import main
from yunzhuo.phoenix.cloud import memory
from yunzhuo.phoenix.cloud.memory import Control, Fault, FaultKind
from yunzhuo.phoenix.config.settings import Settings

_QUICK = (
    "build",
    "ready",
    "start",
    "stop",
    "reboot",
    "suspend",
    "resume",
    "rebuild",
    "resize",
    "snapshot",
    "roll_back",
    "delete",
)


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Control]:
    """The memory cloud from behind, quick."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with closing(memory.control(Settings(home=tmp_path))) as control:
        control.change_options(**{f"{name}_seconds": 0.001 for name in _QUICK})
        yield control


def check(capsys: pytest.CaptureFixture[str], *flags: str, code: int) -> dict[str, Any]:
    """What it says of each call."""
    assert main(["cloud", "check", *flags, "--json"]) == code
    return {each["call"]: each for each in json.loads(capsys.readouterr().out)}


def test_a_cloud_that_can_all(weather: Control, capsys: pytest.CaptureFixture[str]) -> None:
    tried = check(capsys, code=0)
    assert {each["result"] for each in tried.values()} == {"works"}
    assert {"servers.create", "guest.ready", "servers.resize", "servers.snapshot", "servers.delete"} <= tried.keys()
    assert weather.calls.count("servers.delete") == 1
    assert main(["cloud", "check", "--look-only"]) == 0
    assert "servers.list" in capsys.readouterr().out


def test_what_fails_and_what_is_not_offered_are_two_things(weather: Control, capsys: pytest.CaptureFixture[str]) -> None:
    weather.change_options(console_protocols=("vnc",))
    weather.faults.set(Fault(operation="servers.rename", kind=FaultKind.FAIL_BEFORE))
    tried = check(capsys, code=1)
    assert tried["servers.console spice"]["result"] == "not offered"
    assert (tried["servers.rename"]["result"], bool(tried["servers.rename"]["cloud_request_id"])) == ("fails", True)
    assert tried["servers.delete"]["result"] == "works"


def test_nothing_is_made_in_a_cloud_that_does_not_answer(weather: Control, capsys: pytest.CaptureFixture[str]) -> None:
    weather.faults.set(Fault(operation="images.list", kind=FaultKind.FAIL_BEFORE))
    assert "servers.create" not in check(capsys, code=1)
    assert weather.calls.count("servers.create") == 0


def test_what_new_servers_need_and_is_not_there_is_named(weather: Control, capsys: pytest.CaptureFixture[str]) -> None:
    weather.change_options(missing_key_pair="of the lab")
    tried = check(capsys, "--look-only", code=1)
    assert {call for call, each in tried.items() if each["result"] == "fails"} == {"cloud.lacks"}
    assert "of the lab" in tried["cloud.lacks"]["said"]
