"""How commands are called, answer and fail."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from yunzhuo.cli import main


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but those of the test."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")


def test_settings_that_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out.startswith("The settings are right (")


@pytest.mark.parametrize(
    "arguments", [["--json", "config", "check"], ["config", "--json", "check"], ["config", "check", "--json"]]
)
def test_json_may_stand_anywhere(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_mistakes_are_told_on_standard_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YUNZHUO_WEB__PORT", "many")

    assert main(["config", "check"]) == 1

    said = capsys.readouterr()
    assert said.out == ""
    first, second = said.err.splitlines()
    assert first == "error: The settings have 1 mistake:"
    assert second.startswith("  YUNZHUO_WEB__PORT: web.port: should be a valid integer")
    assert said.err.count("should be a valid integer") == 1


def test_mistakes_are_an_object_for_programs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YUNZHUO_WEB__PORT", "many")

    assert main(["config", "check", "--json"]) == 1

    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "invalid_settings"
    assert list(error["details"]["fields"]) == ["web.port"]


def test_a_wrong_call_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frobnicate"]) == 2
    assert capsys.readouterr().err == "error: No such command 'frobnicate'.\n"


def test_show_says_who_gave_a_value_and_hides_passwords(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[queue]\nurl = "amqp://yunzhuo:hunter2@mq/y"\n')

    assert main(["config", "show", "--config", str(file), "--home", str(tmp_path)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert f'home = "{tmp_path}"    # from command line' in lines
    assert f'queue.url = "amqp://yunzhuo:***@mq/y"    # from {file}' in lines
    assert "web.port = 8080" in lines


def test_a_database_that_was_never_made_is_one_clear_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()

    assert main(["user", "list"]) == 1

    assert capsys.readouterr().err == "error: The database does not answer. `yunzhuo doctor` says more.\n"


def test_the_database_is_made_by_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["db", "upgrade"]) == 0
    assert main(["user", "list", "--json"]) == 0

    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"items": []}


def test_doctor_says_what_is_wrong_and_what_to_do(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "local")

    assert main(["doctor", "--json"]) == 1

    findings = {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["QEMU"]["verdict"] == "bad"
    assert findings["QEMU"]["advice"] == "install it with `make setup`"
    assert findings["Python packages"]["verdict"] == "good"
    assert findings["processes"]["verdict"] == "note"


def test_doctor_is_content_with_a_database_at_the_right_schema(capsys: pytest.CaptureFixture[str]) -> None:
    main(["db", "upgrade"])
    capsys.readouterr()

    main(["doctor"])

    said = capsys.readouterr().out
    assert "answers, at this release's schema" in said


def test_doctor_shows_mistakes_in_the_settings(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YUNZHUO_WEB__PORT", "many")

    assert main(["doctor"]) == 1

    assert "YUNZHUO_WEB__PORT" in capsys.readouterr().out


def test_help_needs_no_imports_of_ours() -> None:
    code = (
        "import sys; from yunzhuo.cli import main; main(['--help']);"
        "sys.exit('sqlalchemy' in sys.modules or 'flask' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_what_could_not_be_written_is_not_called_done() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "yunzhuo", "config", "show"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")
