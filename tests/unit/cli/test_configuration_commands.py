"""``yunzhuo apply`` and ``yunzhuo export``: the difference is shown, asked about, made, and gone."""

import io
import json
from pathlib import Path

import pytest
from tests.support.installation import installation
from tests.support.pools import make_pool

from yunzhuo.cli import main
from yunzhuo.cli.toml_lines import line_of
from yunzhuo.services.access import Role

FILE = """\
# The school's rooms.
[[pools]]
name = "Room 302"
spares = 2   # two are enough
members = [
    "Class 1",
    "lin@school.local",
]

[[schedules]]
name = "Evening"
rule = "0 22 * * *"
action = "stop"
pool = "Room 302"

[[quotas]]
person = "lin@school.local"
desktops = 3
"""


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file, and an installation with the pool that it changes."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        boss = yunzhuo.person("boss", Role.OPERATOR)
        make_pool(yunzhuo, boss, name="Room 302", members=[yunzhuo.person("lin")], capacity=3, spares=1)
        yunzhuo.services.groups.create(boss, "Class 1")
    written = tmp_path / "school.toml"
    written.write_text(FILE)
    return written


def test_a_file_is_shown_made_true_and_true_the_second_time(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apply", str(file), "--dry-run"]) == 2
    shown = capsys.readouterr().out
    assert shown.splitlines()[:3] == ["~ pool “Room 302”", "    spares: 1 -> 2", "    members: + Class 1"]
    assert "+ schedule “Evening”\n    action: stop\n" not in shown  # fields come in the order of what there is of them
    assert "+ quota of desktops for the person “lin@school.local”" in shown
    assert shown.splitlines()[-1] == "2 to add, 1 to change, 0 to remove. Nothing is done."
    assert main(["apply", str(file), "--yes", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["done"], [step["deed"] for step in done["steps"]]) == (True, ["change", "add", "add"])
    assert main(["apply", str(file), "--dry-run"]) == 0
    assert capsys.readouterr().out == "There is no difference.\n"
    file.write_text(FILE.partition("[[schedules]]")[0])
    assert main(["apply", str(file), "--yes"]) == 0
    assert main(["apply", str(file), "--yes", "--prune"]) == 0
    said = capsys.readouterr().out
    assert "- schedule “Evening”" in said
    assert "0 to add, 0 to change, 2 to remove. Done." in said


def test_it_asks_before_anything_is_done(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["apply", str(file)]) == 130
    said = capsys.readouterr()
    assert "~ pool “Room 302”" in said.err
    assert main(["apply", str(file), "--dry-run"]) == 2


def test_what_is_exported_is_true(file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["apply", str(file), "--yes"]) == 0
    written = tmp_path / "export.toml"
    assert main(["export", str(written)]) == 0
    assert main(["export", str(written)]) == 1  # never over a file that is there
    capsys.readouterr()
    assert main(["apply", str(written), "--dry-run"]) == 0
    capsys.readouterr()
    assert main(["export"]) == 0
    assert capsys.readouterr().out == written.read_text()
    assert main(["export", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pools"][0]["members"] == ["Class 1", "lin@school.local"]


def test_mistakes_are_told_with_their_lines(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = FILE.replace("spares = 2", "spares = 99").replace("Class 1", "Class 9").replace("rule =", "ruel =")
    file.write_text(wrong.replace("desktops = 3", "desktops = 3\n\n[[quotas]]\nrunning = 3"))
    assert main(["apply", str(file), "--yes"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"error: {file} has 4 mistakes:"
    assert f"  {file}:5: pools “Room 302”: members: There is no group or account Class 9." in told
    assert any(line.startswith(f"  {file}:12: schedules “Evening”: ruel: There is no such key.") for line in told)
    assert any(line.startswith(f"  {file}:20: quotas number 2: ") for line in told)
    file.write_text("[[pools]\n")
    assert main(["apply", str(file)]) == 1
    assert "line 1" in capsys.readouterr().err
    assert main(["apply", str(file.with_name("none.toml"))]) == 1


def test_where_things_stand_in_a_file() -> None:
    text = 'name = "x"\n[[pools]]\nname = """\n[[pools]]\nspares = 1\n"""\n[[pools]]\n"spares" = 2\n[other]\nspares = 3\n'
    places = {"name": 1, "pools.0": 2, "pools.0.name": 3, "pools.1": 7, "pools.1.spares": 8, "pools.1.name": 7, "pools": 2}
    assert {place: line_of(text, place) for place in places} == places
    assert line_of('pools = [{name = "x"}]', "pools.0.name") is None
