"""The gateway's systemd unit, as systemd reads it: nothing unknown in it, and little exposed."""

import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "infras/systemd/yunzhuo-gateway.service"
MOST_EXPOSED = 20  # of a hundred; what is left is that it serves the network


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that there is."""
    text = UNIT.read_text().replace("/opt/yunzhuo/.venv/bin/yunzhuo", "/bin/true")
    assert "/bin/true gateway" in text
    copy = tmp_path / UNIT.name
    copy.write_text(text)
    return copy


def test_systemd_understands_it(unit: Path) -> None:
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")


def test_little_is_exposed(unit: Path) -> None:
    judge = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(unit)]
    said = subprocess.run(judge, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout
