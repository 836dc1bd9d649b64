"""The set-up as a stranger's machine runs it: the real program, between stand-ins for apt, dpkg, sudo and npm."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
ROOT_USER, NOBODY = 0, 65534
_GIB = 1024**3

# What the machine would answer, in place of this one's answers.
PRETEND = """
import os, runpy, shutil, sys
os.geteuid = lambda: int(os.environ["PRETEND_USER"])
sys.version_info = tuple(map(int, os.environ.get("PRETEND_PYTHON", "3.11.2").split(".")))
free_bytes = int(os.environ["PRETEND_FREE_BYTES"])
shutil.disk_usage = lambda path: shutil._ntuple_diskusage(free_bytes, 0, free_bytes)
runpy.run_module("infras.setup", run_name="__main__")
"""

DPKG_QUERY = """#!/bin/bash
for name; do [[ " $INSTALLED $(cat "$STATE/apt-installed" 2>/dev/null) " == *" $name "* ]] && echo "ii  $name"; done; exit 0
"""
APT_GET = """#!/bin/bash
echo "apt-get $*" >> "$STATE/calls"
case "$*" in
  *update*) exit "${UPDATE_FAILS:-0}" ;;
  *) [ -n "$APT_SAYS" ] && { echo "$APT_SAYS" >&2; exit 100; }
     echo "$*" >> "$STATE/apt-installed" ;;
esac
"""
APT_CACHE = """#!/bin/bash
shift
for name; do
  [ "$name" = "$NOT_OFFERED" ] && { printf '%s:\\n  Installed: (none)\\n  Candidate: (none)\\n' "$name"; continue; }
  printf '%s:\\n  Installed: (none)\\n  Candidate: 1.0\\n' "$name"
done
"""
SUDO = """#!/bin/bash
echo "sudo $*" >> "$STATE/calls"
[ -n "$SUDO_WORKS" ] && [ "$1" = -n ] && exec "${@:2}"
exit 1
"""
NPM = """#!/bin/bash
echo "npm $*" >> "$STATE/calls"
[ -n "$NPM_SAYS" ] && { echo "$NPM_SAYS" >&2; exit 1; }
[ "$1" = ci ] && mkdir -p node_modules
exit 0
"""
GETENT = """#!/bin/bash
[[ " $UNKNOWN " != *" $2 "* ]]
"""
NODE = """#!/bin/bash
echo "${NODE_VERSION:-v18.20.4}"
"""


class Clone:
    """A clone of the set-up with small package lists, on a machine of stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "clone"
        self.state = folder / "state"
        self.bin = folder / "bin"
        for place in (self.root / "infras", self.state, self.bin):
            place.mkdir(parents=True)
        shutil.copytree(ROOT / "infras" / "setup", self.root / "infras" / "setup", ignore=shutil.ignore_patterns("__pycache__"))
        self.lists(run="alpha\nbeta  # why\n", image="", test="gamma\n")
        for lock in ("requirements.lock", "requirements-dev.lock"):
            (self.root / lock).write_text("# nothing\n")
        for name, text in {
            "dpkg-query": DPKG_QUERY, "apt-get": APT_GET, "apt-cache": APT_CACHE, "sudo": SUDO, "npm": NPM, "node": NODE,
            "getent": GETENT, "useradd": '#!/bin/bash\necho "useradd $*" >> "$STATE/calls"\n', "chromium": "#!/bin/bash\n",
        }.items():  # fmt: skip
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)

    def lists(self, **texts: str) -> None:
        """Write the package lists."""
        for name, text in texts.items():
            (self.root / "infras" / "setup" / f"packages-{name}.txt").write_text(text)

    def without_python_step(self) -> "Clone":
        """Leave out .venv: pip needs a project and seconds that most of these tests do not."""
        main = self.root / "infras" / "setup" / "main.py"
        text = main.read_text()
        main.write_text(text.replace('    python_packages.install(root, log, for_tests=for_what == "test")\n', ""))
        assert main.read_text() != text
        return self

    def set_up(
        self, for_what: str = "run", *, user: int = ROOT_USER, free_bytes: int = 100 * _GIB, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run it without a terminal."""
        pretend = {"PRETEND_USER": str(user), "PRETEND_FREE_BYTES": str(free_bytes)}
        return self.run([sys.executable, "-c", PRETEND, for_what], **pretend, **environment)

    def run(self, command: list[str], **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in the clone."""
        return subprocess.run(
            command,
            cwd=self.root,
            env={**self.environment(), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def environment(self) -> dict[str, str]:
        """A machine where everything is installed and works, unless told otherwise."""
        return {
            "PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.state),
            "TMPDIR": str(self.state),
            "STATE": str(self.state),
            "INSTALLED": "alpha beta gamma",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def calls(self) -> list[str]:
        """What was asked of the system."""
        path = self.state / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path).without_python_step()


def test_what_is_missing_is_said_and_installed_once(clone: Clone) -> None:
    first = clone.set_up(INSTALLED="alpha")

    assert first.returncode == 0, first.stderr
    assert "installing Debian packages as root (apt-get): beta\n" in first.stderr
    update, install = (call for call in clone.calls() if call.startswith("apt-get"))
    assert update.endswith(" update")
    assert install.endswith(" install --yes --no-install-recommends beta")
    second = clone.set_up(INSTALLED="alpha")
    assert (second.returncode, second.stderr, second.stdout) == (0, "", "")
    assert len([call for call in clone.calls() if call.startswith("apt-get")]) == 2


def test_nothing_missing_asks_nobody(clone: Clone) -> None:
    done = clone.set_up("test")

    assert (done.returncode, done.stderr) == (0, "")
    assert clone.calls() == []
    assert not list(clone.state.glob("*.log"))


def test_the_tests_need_more_than_a_run(clone: Clone) -> None:
    assert clone.set_up("test", INSTALLED="alpha beta").returncode == 0

    assert clone.calls()[1].endswith(" gamma")


def test_an_optional_package_is_installed_where_there_is_one(clone: Clone) -> None:
    clone.lists(run="alpha\nextra?\nother?\n")

    first = clone.set_up(NOT_OFFERED="extra")

    assert first.returncode == 0, first.stderr
    assert clone.calls()[1].endswith(" --no-install-recommends other")
    assert clone.set_up(NOT_OFFERED="extra").stderr == ""


def test_without_root_it_says_what_to_run(clone: Clone) -> None:
    refused = clone.set_up(user=NOBODY, INSTALLED="alpha")

    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "error: Debian packages are missing, and neither are you root nor does sudo work without a password; run this once as"
        " root: apt-get update && apt-get install -y --no-install-recommends beta"
    ]
    assert clone.calls() == ["sudo -n true"]


def test_qemu_gets_a_user_of_its_own_where_we_are_root(clone: Clone) -> None:
    assert clone.set_up(UNKNOWN="yunzhuo-qemu kvm").returncode == 0

    (made,) = clone.calls()
    assert made.startswith("useradd --system --user-group --no-create-home")
    assert made.endswith("/usr/sbin/nologin yunzhuo-qemu")
    assert clone.set_up(user=NOBODY, UNKNOWN="yunzhuo-qemu").returncode == 0
    assert len(clone.calls()) == 1


def test_sudo_is_used_where_it_does_not_ask(clone: Clone) -> None:
    done = clone.set_up(user=NOBODY, INSTALLED="alpha", SUDO_WORKS="1")

    assert done.returncode == 0, done.stderr
    assert "with sudo, as root (apt-get): beta" in done.stderr
    assert any(call.startswith("sudo -n env DEBIAN_FRONTEND=noninteractive apt-get") for call in clone.calls())


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("E: Could not get lock /var/lib/dpkg/lock-frontend", "another package manager is running"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "the disk is full"),
        ("Err:1 Temporary failure resolving, Could not resolve 'mirror'", "the network, or the server asked, does not answer"),
        ("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'", "an earlier installation was interrupted"),
        ("E: Unable to locate package beta", "this release of Debian or Ubuntu does not have a package"),
        ("E: Something nobody has seen", "it ended with exit code 100"),
    ],
)
def test_a_failure_is_one_clear_line_and_where_to_read_more(clone: Clone, said: str, advice: str) -> None:
    failed = clone.set_up(INSTALLED="alpha", APT_SAYS=said)

    assert failed.returncode == 1
    error = failed.stderr.splitlines()[1:]
    assert error[0].startswith(f"error: installing Debian packages: {advice}")
    assert error[-1] == f"  | {said}"
    log = next(clone.state.glob("yunzhuo-set-up-*.log"))
    assert str(log) in error[0]
    assert said in log.read_text()


def test_one_source_that_does_not_answer_need_not_matter(clone: Clone) -> None:
    assert clone.set_up(INSTALLED="alpha", UPDATE_FAILS="100").returncode == 0


def test_when_nothing_answers_the_first_failure_is_told(clone: Clone) -> None:
    failed = clone.set_up(INSTALLED="alpha", UPDATE_FAILS="100", APT_SAYS="E: Unable to locate package beta")

    assert "error: reading the package lists: " in failed.stderr


def test_another_system_is_told_what_it_needs(clone: Clone) -> None:
    (clone.bin / "dpkg-query").unlink()

    done = clone.run([sys.executable, "-m", "infras.setup", "run"], PATH=f"{clone.bin}")

    assert "this is not Debian or Ubuntu: see to it that you have what these packages bring: alpha beta" in done.stderr


def test_a_python_that_is_too_old_is_told_so(clone: Clone) -> None:
    refused = clone.set_up(PRETEND_PYTHON="3.9.2")

    assert refused.returncode == 1
    assert refused.stderr.startswith("error: Python 3.11 or newer is needed")
    assert len(refused.stderr.splitlines()) == 1


def test_the_front_end_is_built_when_its_sources_change(clone: Clone) -> None:
    (clone.root / "package.json").write_text("{}")
    page = clone.root / "src" / "yunzhuo" / "web" / "page.html"
    page.parent.mkdir(parents=True)

    def npm_calls() -> list[str]:
        assert clone.set_up().returncode == 0
        calls = [call for call in clone.calls() if call.startswith("npm")]
        (clone.state / "calls").unlink()
        return calls

    assert npm_calls() == ["npm ci --no-audit --no-fund", "npm run build"]
    (clone.state / "calls").write_text("")
    assert npm_calls() == []
    page.write_text("<p>new</p>")
    assert npm_calls() == ["npm run build"]
    (clone.root / "package-lock.json").write_text("{}")
    assert npm_calls() == ["npm ci --no-audit --no-fund", "npm run build"]


def test_an_old_node_is_no_node(clone: Clone) -> None:
    (clone.root / "package.json").write_text("{}")

    assert clone.set_up(NODE_VERSION="v16.13.0").returncode == 0

    assert clone.calls()[1].endswith(" nodejs npm")


def test_a_network_that_fails_npm_is_named(clone: Clone) -> None:
    (clone.root / "package.json").write_text("{}")

    failed = clone.set_up(NPM_SAYS="npm ERR! code ENOTFOUND")

    assert failed.returncode == 1
    assert "installing the front end's packages: the network, or the server asked, does not answer" in failed.stderr


def test_a_second_set_up_waits_for_the_first(clone: Clone) -> None:
    with (clone.root / "infras" / "setup" / "main.py").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = subprocess.Popen(
            [sys.executable, "-m", "infras.setup", "run"],
            cwd=clone.root,
            env=clone.environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == "set-up: another set-up is at work in this clone; waiting for it\n"
        assert waiting.poll() is None
    waiting.communicate()

    assert waiting.returncode == 0


def test_a_full_disk_is_seen_before_packages_are_installed(clone: Clone) -> None:
    refused = clone.set_up(INSTALLED="alpha", free_bytes=_GIB)

    assert refused.returncode == 1
    assert refused.stderr.startswith("error: Debian packages: 1.0 GiB are free on the disk with /usr, and 2 GiB are needed")
    assert clone.calls() == []


def test_a_full_disk_is_seen_before_the_environment_is_made(tmp_path: Path) -> None:
    clone = Clone(tmp_path)

    refused = clone.set_up(free_bytes=1000)

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"error: Python packages: 0.0 GiB are free on the disk with {clone.root}, and 1 GiB")
    assert not (clone.root / ".venv").exists()


# A build backend that makes an editable wheel of nothing, so that no package index is needed.
BACKEND = """
import zipfile
def get_requires_for_build_editable(config_settings=None): return []
def build_editable(directory, config_settings=None, metadata_directory=None):
    name = "yunzhuo-0.1-py3-none-any.whl"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        info = "yunzhuo-0.1.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: yunzhuo\\nVersion: 0.1\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


def test_the_environment_is_made_once_and_again_when_the_lock_changes(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    (clone.root / "backend.py").write_text(BACKEND)
    (clone.root / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "yunzhuo"\nversion = "0.1"\n'
    )
    python = clone.root / ".venv" / "bin" / "python"

    first = clone.set_up()
    assert first.returncode == 0, first.stderr
    assert clone.run([str(python), "-m", "pip", "show", "yunzhuo"]).returncode == 0
    assert clone.set_up().stderr == ""

    with (clone.root / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    assert "installing Python packages into .venv (requirements.lock)" in clone.set_up().stderr

    (clone.root / "requirements.lock").write_text("nothing-like-it==1.0 --hash=sha256:" + "0" * 64)
    failed = clone.set_up(PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[1].startswith("error: installing Python packages: ")
    assert clone.set_up(PIP_NO_INDEX="1", PIP_FIND_LINKS="").returncode == 1, "a failed set-up must not count as done"
