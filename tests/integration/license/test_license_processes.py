"""The whole way with real processes: a vendor's server, and a build of the vendor's own that needs a license of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import httpx
import pytest
from tests.support.mail_server import MailServer, mail_server
from tests.support.running import free_ports
from tests.support.waiting import eventually

import yunzhuo

# Some forty commands, each a process: minutes on a busy computer.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SOURCES = Path(yunzhuo.__file__).parent
PASSWORD = "correct horse battery\n"


@dataclass
class Shell:
    """The command line on one state folder, of one build."""

    environment: dict[str, str]

    def run(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command of ``yunzhuo``."""
        command = [sys.executable, "-m", "yunzhuo", *arguments]
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)  # the copied build would be compiled by each of them
        return subprocess.run(
            command, input=text, capture_output=True, text=True, env=self.environment, check=False, timeout=120
        )

    def ask(self, *arguments: str, text: str | None = None) -> Any:
        """What it answers as JSON."""
        done = self.run(*arguments, "--json", text=text)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def refused(self, *arguments: str, text: str | None = None) -> str:
        """The code that it is refused with."""
        done = self.run(*arguments, "--json", text=text)
        assert done.returncode == 1, f"{arguments}: {done.stdout}{done.stderr}"
        return str(json.loads(done.stdout)["error"]["code"])


@dataclass
class Stage:
    """The vendor's shell, the server's address, and where a build that needs a license is."""

    vendor: Shell
    url: str
    build: Path
    folder: Path
    post: MailServer

    def installation(self, name: str) -> Shell:
        """A customer's computer with the vendor's build and one account on it."""
        shell = Shell(
            {
                **os.environ,
                "PYTHONPATH": str(self.build),
                "YUNZHUO_HOME": str(self.folder / name),
                "YUNZHUO_CLOUD__DRIVER": "memory",
                "YUNZHUO_LICENSE__SERVER_URL": self.url,
            }
        )
        shell.ask("db", "upgrade")
        shell.ask("user", "add", "boss@school.example", "--role", "operator", "--password-stdin", text=PASSWORD)
        return shell

    def add(self, name: str, *options: str) -> tuple[str, str]:
        """An installation's id and its code."""
        made = self.vendor.ask("license", "installation", "add", "第一中学", name, *options)
        return made["installation"]["id"], made["code"]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with mail_server() as post, staged(tmp_path_factory.mktemp("stage"), post) as made:
        yield made


@contextmanager
def staged(folder: Path, post: MailServer) -> Iterator[Stage]:
    """All of it in one folder."""
    port = free_ports("license")["license"]
    (folder / "passphrase").write_text("open sesame")
    vendor = Shell(
        {
            **os.environ,
            "YUNZHUO_HOME": str(folder / "vendor"),
            "YUNZHUO_LICENSE_SERVER__PORT": str(port),
            "YUNZHUO_MAIL__HOST": "127.0.0.1",
            "YUNZHUO_MAIL__PORT": str(post.port),
            "YUNZHUO_MAIL__SECURITY": "none",
            "YUNZHUO_LICENSE_SERVER__PASSPHRASE_FILE": str(folder / "passphrase"),
        }
    )
    vendor.ask("license", "keys", "create")
    vendor.ask("license", "customer", "add", "第一中学", "--contact", "head@school.example")
    pin = json.loads(vendor.run("license", "keys", "pin").stdout)
    copytree(SOURCES, folder / "build" / "yunzhuo", ignore=ignore_patterns("__pycache__"))
    (folder / "build/yunzhuo/phoenix/security/vendor_pin.json").write_text(json.dumps(pin | {"license_needed": True}))
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "yunzhuo", "license", "server"], env=vendor.environment, stdout=log, stderr=log
    )
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: answers(url), 60, what="the license server")
        yield Stage(vendor, url, folder / "build", folder, post)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, (folder / "server.log").read_text()
    finally:
        process.kill()
        process.wait()
        log.close()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.HTTPError:
        return False


def test_automatically_until_it_is_revoked(stage: Stage) -> None:
    school = stage.installation("automatic")
    second = ("user", "add", "second@school.example", "--password-stdin")
    assert school.refused(*second, text=PASSWORD) == "license_missing"
    identifier, code = stage.add("automatic", "--limit", "users=2")
    assert school.refused("license", "activate", "--code", "guessed") == "installation_unknown"
    assert school.ask("license", "activate", "--code", code)["phase"] == "active"
    school.ask(*second, text=PASSWORD)
    eventually(lambda: "A license for automatic" in [letter["Subject"] for letter in stage.post.letters], 40, what="a letter")
    third = ("user", "add", "third@school.example", "--password-stdin")
    assert school.refused(*third, text=PASSWORD) == "license_limit_reached"
    # Renewed and widened, after the keys were rotated: the build knows the older one only.
    stage.vendor.ask("license", "keys", "rotate")
    stage.vendor.ask("license", "installation", "change", identifier, "--until", "2099-08-31", "--limit", "users=3")
    found = school.ask("license", "activate")["license"]
    assert (found["serial"], found["expires_at"]) == (2, "2099-09-01T00:00:00Z")
    school.ask(*third, text=PASSWORD)
    stage.vendor.ask("license", "installation", "act", identifier, "revoke")
    assert school.ask("license", "activate")["phase"] == "withdrawn"
    assert school.refused("user", "add", "fourth@school.example", "--password-stdin", text=PASSWORD) == "license_withdrawn"
    reasons = [each["reason"] for each in stage.vendor.ask("license", "installation", "history", identifier)["items"]]
    assert reasons == ["revoke", "changed", "issue"]


def test_by_file_and_moved_to_another_computer(stage: Stage) -> None:
    old, new = stage.installation("old"), stage.installation("new")
    identifier, _ = stage.add("by file")
    for number, school in enumerate((old, new)):
        host, license_ = (str(stage.folder / f"{name}-{number}.json") for name in ("host", "license"))
        school.ask("license", "host-info", "--out", host)
        bound = stage.vendor.ask("license", "installation", "bind", identifier, host)
        assert (bound["state"], bound["moves"]) == ("active", number)
        stage.vendor.ask("license", "installation", "license", identifier, "--out", license_)
        assert school.ask("license", "install", license_)["phase"] == "active"
    newest = str(stage.folder / "license-1.json")
    assert old.run("license", "verify", newest, "--key", key_file(stage)).returncode == 0
    assert old.refused("license", "install", newest) == "license_other_installation"
    assert old.ask("license", "activate")["phase"] == "withdrawn"  # the server tells it, once it asks
    listed = {each["id"]: each for each in stage.vendor.ask("license", "installation", "list")["items"]}
    assert listed[identifier]["moves"] == 1


def key_file(stage: Stage) -> str:
    """The public key that the build trusts."""
    oldest = stage.vendor.ask("license", "keys", "list")["items"][-1]
    file = stage.folder / "vendor.pub"
    file.write_text(oldest["public_key"])
    return str(file)
