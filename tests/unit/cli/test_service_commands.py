"""`yunzhuo service` where no systemd runs, as on this computer, or where one may not."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from yunzhuo.cli import main
from yunzhuo.cli.service import _in_words
from yunzhuo.scheduler.platform.plan import State, Status

pytestmark = pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="a systemd runs here, and would take the unit")


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where one's own units go."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("YUNZHUO_HOME", raising=False)
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    return tmp_path / "config" / "systemd" / "user"


def answered(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code = main(["service", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_service_of_ones_own_is_written_and_forgotten(
    units: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answered(capsys, "status", "--user")[0] == 4

    assert main(["service", "install", "--user", "--home", str(tmp_path / "state")]) == 0
    said = capsys.readouterr()
    unit = (units / "yunzhuo.service").read_text()
    assert f"--home {tmp_path}/state\n" in unit
    assert "User=" not in unit
    assert "systemd does not run here" in said.out
    assert "the service does not see YUNZHUO_CLOUD__DRIVER" in said.err

    code, found = answered(capsys, "status", "--user")
    assert (code, found["state"]) == (4, "unknown")
    assert answered(capsys, "start", "--user")[1]["error"]["code"] == "no_systemd"
    assert answered(capsys, "uninstall", "--user")[0] == 0
    assert list(units.iterdir()) == []


def test_a_gateways_unit_names_its_file(units: Path, tmp_path: Path) -> None:
    assert main(["service", "install", "gateway", "--user", "--config", str(tmp_path / "gateway.toml")]) == 0

    assert f"-m yunzhuo gateway --config {tmp_path}/gateway.toml\n" in (units / "yunzhuo-gateway.service").read_text()


def test_what_is_not_installed_cannot_be_started(units: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = answered(capsys, "start", "--user")

    assert (code, answer["error"]["code"]) == (1, "service_not_installed")


def test_a_service_of_ones_own_runs_as_oneself(units: Path) -> None:
    assert main(["service", "install", "--user", "--run-as", "lin"]) == 2


def test_it_never_runs_as_root(units: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = answered(capsys, "install", "--run-as", "root")

    expected = "invalid_input" if os.geteuid() == 0 else "not_root"
    assert (code, answer["error"]["code"]) == (1, expected)


def test_only_root_changes_the_computers_services(
    units: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YUNZHUO_HOME", "/srv/yunzhuo")
    own = os.geteuid()
    if own == 0:
        os.seteuid(65534)
    try:
        code, answer = answered(capsys, "install")
    finally:
        os.seteuid(own)

    assert (code, answer["error"]["code"]) == (1, "not_root")
    assert "--user for one of your own" in answer["error"]["message"]


def test_a_status_reads_well() -> None:
    running = Status(State.RUNNING, at_boot=True, pid=78, says="the portal answers", details={"since": "noon"})

    assert _in_words(running) == "Running (process 78)\nthe portal answers\nStarts with the computer.\nsince: noon"
    assert _in_words(Status(State.NOT_INSTALLED)) == "Not installed"
