"""What the cloud is made of: Debian's packages, the services from PyPI by a lock file with checksums, the guest's image."""

import shutil
import sys
from pathlib import Path

from infras.openstack.layout import Layout
from infras.openstack.processes import CloudFailed, say
from infras.setup import debian
from infras.setup.command import Log, run
from infras.setup.stamps import fingerprint, set_stamp, stands

_HERE = Path(__file__).parent
_LOCK = _HERE / "requirements.lock"
_GUEST = _HERE / "guest"


def install(root: Path, layout: Layout, *, is_running: bool) -> None:
    """Bring what is missing. Raises CloudFailed when the services are to be others while they run."""
    log = Log()
    debian.install(root, ["packages-cloud.txt"], log)
    layout.cache.mkdir(parents=True, exist_ok=True)
    _services(root, layout, log, is_running=is_running)
    _guest(root, layout, log)
    log.discard()


def _services(root: Path, layout: Layout, log: Log, *, is_running: bool) -> None:
    stamp = layout.venv / "services.stamp"
    # By what stands in it, not by where it lies: all clones of this computer have one cache.
    wanted = fingerprint(sys.version, sys.base_prefix, _LOCK.read_text(encoding="ascii"))
    if not stands(stamp, wanted):
        if is_running:
            raise CloudFailed("the cloud runs on other versions than this clone's: stop it first (make cloud-down)")
        say("installing OpenStack's services from PyPI")
        run(
            "making the services' virtual environment",
            [sys.executable, "-m", "venv", "--clear", str(layout.venv)],
            log,
            cwd=root,
        )
        pip = [str(layout.venv / "bin" / "python"), "-m", "pip", "--no-input", "--disable-pip-version-check", "install"]
        lock = ["--require-hashes", "--no-deps", "--requirement", str(_LOCK)]
        run("installing OpenStack's services", [*pip, *lock], log, cwd=root, environment={"PYTHONDONTWRITEBYTECODE": ""})
        set_stamp(stamp, wanted)
    virt = next((layout.venv / "lib").glob("python3.*")) / "site-packages" / "nova" / "virt"
    shutil.copyfile(_HERE / "inside" / "pretended.py", virt / "pretended.py")  # Nova loads drivers from nova.virt alone


def _guest(root: Path, layout: Layout, log: Log) -> None:
    stamp = layout.cache / "guest.stamp"
    sources = sorted(path for path in _GUEST.iterdir() if path.is_file())
    wanted = fingerprint(*(path.read_text(encoding="utf-8") for path in sources))
    if not (layout.guest_image.exists() and stands(stamp, wanted)):
        say("building the guest's image")
        run("building the guest's image", ["sh", str(_GUEST / "build.sh"), str(layout.guest_image)], log, cwd=root)
        set_stamp(stamp, wanted)
