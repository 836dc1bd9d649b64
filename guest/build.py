"""Builds the agent's Debian package: ``python guest/build.py FOLDER``. The same sources give the same bytes."""

from __future__ import annotations

import os
import shutil
import subprocess  # nosec B404 # lists of arguments, never a shell
import sys
import tempfile
from pathlib import Path

from yunzhuo_agent import VERSION

_HERE = Path(__file__).resolve().parent
_DEBIAN = _HERE / "debian"
# The date of every file in it: that of the release that the version names, for all who build it.
_EPOCH = 1_764_000_000
_FILES = {
    "yunzhuo-agent": ("usr/bin/yunzhuo-agent", 0o755),
    "yunzhuo-agent.service": ("usr/lib/systemd/system/yunzhuo-agent.service", 0o644),
    "yunzhuo-agent-key.service": ("usr/lib/systemd/system/yunzhuo-agent-key.service", 0o644),
    "agent.json": ("etc/yunzhuo-agent/agent.json", 0o644),
    "control": ("DEBIAN/control", 0o644),
    "conffiles": ("DEBIAN/conffiles", 0o644),
    "postinst": ("DEBIAN/postinst", 0o755),
    "prerm": ("DEBIAN/prerm", 0o755),
}


def build(folder: Path) -> Path:
    """The package in ``folder``; whatever is there of that name is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"yunzhuo-agent_{VERSION}_all.deb"
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "root"
        for source, (place, mode) in _FILES.items():
            _put(_DEBIAN / source, root / place, mode)
        for module in sorted((_HERE / "yunzhuo_agent").glob("*.py")):
            _put(module, root / "usr/lib/yunzhuo-agent/yunzhuo_agent" / module.name, 0o644)
        _put(_HERE.parent / "LICENSE", root / "usr/share/doc/yunzhuo-agent/copyright", 0o644)
        control = root / "DEBIAN/control"
        control.write_text(control.read_text(encoding="utf-8").replace("@VERSION@", VERSION), encoding="utf-8")
        for folder_of_root in [root, *(each for each in root.rglob("*") if each.is_dir())]:
            folder_of_root.chmod(0o755)
        for each in [root, *root.rglob("*")]:
            os.utime(each, (_EPOCH, _EPOCH))
        command = ["dpkg-deb", "--root-owner-group", "--uniform-compression", "-Zxz", "--build", str(root), str(target)]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(_EPOCH)}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)  # nosec B603 # the system's own program, no shell
    return target


def _put(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
