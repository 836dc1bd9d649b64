"""The whole way with real processes: a vendor's server as it is deployed, over HTTPS, and a build of the vendor's own that
needs a license of it. The vendor asks the API, the schools their command line."""

import json
import os
import pwd
import shlex
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest
from tests.gateway.test_tls import certificate
from tests.support.mail_server import MailServer, mail_server
from tests.support.running import free_ports
from tests.support.waiting import eventually

import yunzhuo

# Some twenty commands, each a process: a minute or two on a busy computer.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SOURCES = Path(yunzhuo.__file__).parent
PASSWORD = "correct horse battery"


@dataclass
class Shell:
    """The command line on one state folder, of one build."""

    environment: dict[str, str]

    def run(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command of ``yunzhuo``."""
        command = [sys.executable, "-m", "yunzhuo", *arguments]
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

    def add_user(self, name: str) -> tuple[str, ...]:
        """The words of a command that adds one; the password goes to its standard input."""
        return ("user", "add", f"{name}@school.example", "--role", "operator", "--password-stdin")


@dataclass
class Stage:
    """The vendor's server, who asks it, and where a build that needs a license is."""

    vendor: httpx.Client
    vendor_shell: Shell
    config: str
    build: Path
    folder: Path
    chain: Path
    url: str
    customer: str
    post: MailServer

    def installation(self, name: str) -> Shell:
        """A customer's computer with the vendor's build: as after `db upgrade`, nobody in it yet."""
        copytree(self.folder / "prepared", self.folder / name)
        assert not (self.folder / name / "secrets").exists()  # a key of its own is made at the first start
        return Shell(self.environment(self.folder / name))

    def environment(self, home: Path) -> dict[str, str]:
        """That of a customer's computer, which trusts whoever vouches for the vendor's certificate."""
        own = {"PYTHONPATH": str(self.build), "YUNZHUO_HOME": str(home), "YUNZHUO_CLOUD__DRIVER": "memory"}
        own |= {"YUNZHUO_LICENSE__SERVER_URL": self.url, "SSL_CERT_FILE": str(self.chain)}
        return without_bytecode_rule({**os.environ, **own})

    def ask(self, method: str, path: str, **content: Any) -> Any:
        """What the vendor is answered."""
        answer = self.vendor.request(method, path, **content)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def add(self, name: str, **limits: int) -> tuple[str, str]:
        """An installation's path and its code."""
        wish = {"customer_id": self.customer, "name": name, "limits": limits, "expires_at": "2098-08-31T00:00:00Z"}
        made = self.ask("POST", "installations", json=wish)
        return f"installations/{made['installation']['id']}", made["code"]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with mail_server() as post, staged(tmp_path_factory.mktemp("stage"), post) as made:
        yield made


def without_bytecode_rule(environment: dict[str, str]) -> dict[str, str]:
    """The copied build would be compiled by each command."""
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


@contextmanager
def staged(folder: Path, post: MailServer) -> Iterator[Stage]:
    """All of it in one folder: deployed, started as its unit says, with an administrator and a customer."""
    chain, private = certificate(folder)
    mail = {"YUNZHUO_MAIL__HOST": "127.0.0.1", "YUNZHUO_MAIL__PORT": str(post.port), "YUNZHUO_MAIL__SECURITY": "none"}
    shell = Shell(without_bytecode_rule({**os.environ, **mail}))
    port = free_ports("license")["license"]
    url, user = f"https://127.0.0.1:{port}", pwd.getpwuid(os.getuid()).pw_name
    where = [f"--{name}-dir={folder / name}" for name in ("config", "state", "unit", "sysusers")]
    tls = [f"--url={url}", f"--port={port}", f"--certificate={chain}", f"--key={private}", f"--user={user}"]
    told = shell.ask("license", "deploy", "boss@vendor.example", *where, *tls)["administrator"]
    config = f"--config={folder / 'config/license-server.toml'}"
    unit = (folder / "unit/yunzhuo-license.service").read_text()
    command = next(line.removeprefix("ExecStart=") for line in unit.splitlines() if line.startswith("ExecStart="))
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(shlex.split(command), env=shell.environment, stdout=log, stderr=log)
    trusted = ssl.create_default_context(cafile=chain)
    with httpx.Client(base_url=f"{url}/api/v1", verify=trusted, timeout=30) as vendor:
        try:
            eventually(lambda: answers(vendor, url), 60, what="the license server")
            sign_in(vendor, told["one_time_password"])
            made = Stage(vendor, shell, config, folder / "build", folder, chain, url, "", post)
            made.customer = made.ask("POST", "customers", json={"name": "第一中学"})["id"]
            made.ask("POST", f"customers/{made.customer}/contacts", json={"email": "head@school.example"})
            copytree(SOURCES, folder / "build" / "yunzhuo")
            pin = {"keys": [key["public_key"] for key in made.ask("GET", "keys")["items"]], "license_needed": True}
            (folder / "build/yunzhuo/phoenix/security/vendor_pin.json").write_text(json.dumps(pin))
            Shell(made.environment(folder / "prepared")).ask("db", "upgrade")
            yield made
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0, (folder / "server.log").read_text()
        finally:
            process.kill()
            process.wait()
            log.close()


def answers(vendor: httpx.Client, url: str) -> bool:
    try:
        return vendor.get(f"{url}/healthz").is_success
    except httpx.HTTPError:
        return False


def sign_in(vendor: httpx.Client, one_time_password: str) -> None:
    """The first administrator chooses a password of their own, and gets a token."""
    email = "boss@vendor.example"
    vendor.post("passwords", json={"email": email, "present": one_time_password, "chosen": PASSWORD}).raise_for_status()
    token = vendor.post("tokens", json={"email": email, "password": PASSWORD}).raise_for_status().json()["token"]
    vendor.headers["Authorization"] = f"Bearer {token}"


def test_automatically_until_it_is_revoked(stage: Stage) -> None:
    school = stage.installation("automatic")
    school.ask(*school.add_user("boss"), text=PASSWORD)
    assert school.refused(*school.add_user("second"), text=PASSWORD) == "license_missing"
    path, code = stage.add("automatic", users=1)
    assert school.ask("license", "activate", "--code", code)["phase"] == "active"
    assert school.refused(*school.add_user("second"), text=PASSWORD) == "license_limit_reached"
    eventually(lambda: "A license for automatic" in [letter["Subject"] for letter in stage.post.letters], 40, what="a letter")
    # Renewed and widened, after the keys were rotated: the build knows the older one only.
    stage.vendor_shell.ask("license", "keys", "rotate", stage.config)
    stage.ask("PATCH", path, json={"expires_at": "2099-09-01T00:00:00Z", "limits": {"users": 2}})
    found = school.ask("license", "activate")["license"]
    assert (found["serial"], found["expires_at"]) == (2, "2099-09-01T00:00:00Z")
    school.ask(*school.add_user("second"), text=PASSWORD)
    stage.ask("POST", f"{path}/actions", json={"action": "revoke"})
    assert school.ask("license", "activate")["phase"] == "withdrawn"
    assert school.refused(*school.add_user("third"), text=PASSWORD) == "license_withdrawn"
    reasons = [each["reason"] for each in stage.ask("GET", f"{path}/licenses")["items"]]
    assert reasons == ["revoke", "changed", "issue"]


def test_by_file_and_moved_to_another_computer(stage: Stage) -> None:
    old, new = stage.installation("old"), stage.installation("new")
    path, _ = stage.add("by file")
    for number, school in enumerate((old, new)):
        host, license_ = stage.folder / f"host-{number}.json", stage.folder / f"license-{number}.json"
        school.ask("license", "host-info", "--out", str(host))
        bound = stage.ask("PUT", f"{path}/host-info", content=host.read_bytes())
        assert (bound["state"], bound["moves"]) == ("active", number)
        license_.write_bytes(stage.vendor.get(f"{path}/license").content)
        assert school.ask("license", "install", str(license_))["phase"] == "active"
    assert old.refused("license", "install", str(stage.folder / "license-1.json")) == "license_other_installation"
    assert old.ask("license", "activate")["phase"] == "withdrawn"  # the server tells it, once it asks
    assert stage.ask("GET", path)["moves"] == 1
