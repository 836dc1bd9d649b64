"""The agent's Debian package: the same bytes each time, and units that systemd understands and that expose little."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from yunzhuo_agent import VERSION

GUEST = Path(__file__).parents[3] / "guest"
# Of a hundred, where less is better. The agent becomes the person and calls out; the other one mounts a drive.
MOST_EXPOSED = {"yunzhuo-agent.service": 30, "yunzhuo-agent-key.service": 53}


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    found = importlib.util.spec_from_file_location("guest_build", GUEST / "build.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_same_sources_give_the_same_bytes(builder: ModuleType, tmp_path: Path) -> None:
    one, other = builder.build(tmp_path / "one"), builder.build(tmp_path / "other")
    assert one.name == f"yunzhuo-agent_{VERSION}_all.deb"
    assert one.read_bytes() == other.read_bytes()
    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "-x", str(one), str(root)], check=True)
    modules = {file.name for file in (GUEST / "yunzhuo_agent").glob("*.py")}
    assert {file.name for file in (root / "usr/lib/yunzhuo-agent/yunzhuo_agent").iterdir()} == modules
    assert os.access(root / "usr/bin/yunzhuo-agent", os.X_OK)


@pytest.mark.parametrize("unit", MOST_EXPOSED)
def test_its_units(tmp_path: Path, unit: str) -> None:
    text = (GUEST / "debian" / unit).read_text().replace("/usr/bin/yunzhuo-agent", str(shutil.which("true")))
    file = tmp_path / unit
    file.write_text(text)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    for arguments in (
        ("verify", "--man=no", "--recursive-errors=no"),
        ("security", "--offline=true", f"--threshold={MOST_EXPOSED[unit]}"),
    ):
        said = subprocess.run(
            ["systemd-analyze", *arguments, str(file)], capture_output=True, text=True, check=False, env=environment
        )
        assert said.returncode == 0, said.stdout + said.stderr
