"""`yunzhuo license deploy` and the other tools: what they write is whole, safe, and understood by systemd."""

import json
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from yunzhuo.cli import main
from yunzhuo.license.systemd_unit import unit
from yunzhuo.phoenix.config.loader import load

pytestmark = pytest.mark.slow
# Of a hundred, where less is better.
MOST_EXPOSED = 20
USER = pwd.getpwuid(os.getuid()).pw_name


@dataclass
class Tool:
    """The command line on one place."""

    folder: Path
    out: pytest.CaptureFixture[str]

    def ask(self, *arguments: str, expected: int = 0) -> Any:
        """What a command of ``yunzhuo license`` answers as JSON."""
        self.out.readouterr()
        code = main(["license", *arguments, "--json"])
        out = self.out.readouterr().out
        assert code == expected, out
        return json.loads(out)

    def deploy(self, *more: str) -> Any:
        """Deploy into the folder, for the user of this test."""
        options = [f"--{name}-dir={self.folder / name}" for name in ("config", "state", "unit", "sysusers")]
        return self.ask("deploy", "boss@vendor.example", f"--user={USER}", *options, *more)

    @property
    def config(self) -> str:
        """The option that names the settings it wrote."""
        return f"--config={self.folder / 'config/license-server.toml'}"


@pytest.fixture
def tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tool:
    return Tool(tmp_path, capsys)


def test_it_is_whole_and_twice_is_harmless(tool: Tool) -> None:
    first = tool.deploy("--url=https://licenses.vendor.example", "--port=8443")
    assert (first["kept"], first["backup"]) == ([], None)
    assert first["administrator"]["email"] == "boss@vendor.example"
    settings = load(tool.folder / "config/license-server.toml", {}, {})
    assert (settings.license_server_url, settings.license_server.port) == ("https://licenses.vendor.example", 8443)
    passphrase = Path(settings.license_server.passphrase_file)
    assert passphrase.stat().st_mode & 0o777 == 0o600
    assert (tool.folder / "state").stat().st_mode & 0o777 == 0o700
    (private,) = (tool.folder / "state/license/secrets").glob("signing-*.pem")
    assert "ENCRYPTED" in private.read_text()
    (tool.folder / "config/license-server.toml").write_text(
        (tool.folder / "config/license-server.toml").read_text().replace("8443", "9443")
    )
    before = passphrase.read_text()
    again = tool.deploy("--port=1")
    assert (again["administrator"], again["key"], passphrase.read_text()) == (None, first["key"], before)
    assert [Path(path).name for path in again["kept"]] == ["license-server.toml", "license-passphrase"]
    assert load(tool.folder / "config/license-server.toml", {}, {}).license_server.port == 9443  # the vendor's own stays
    # What was there before can be had again elsewhere.
    assert Path(again["backup"]).stat().st_mode & 0o777 == 0o600
    elsewhere = f"--home={tool.folder / 'elsewhere'}"
    assert tool.ask("restore", again["backup"], tool.config, elsewhere)["rows"] > 0
    assert [key["id"] for key in tool.ask("keys", "list", tool.config, elsewhere)["items"]] == [first["key"]]
    assert tool.ask("backup", str(tool.folder / "own.tar.gz"), tool.config)["rows"] > 0
    assert tool.ask("db", "upgrade", tool.config)["ok"]


def test_systemd_understands_the_unit_and_little_is_exposed(tool: Tool) -> None:
    tool.deploy()
    file = tool.folder / "unit/yunzhuo-license.service"
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", str(file)], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    judge = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(file)]
    # It judges the user that it will be, which need not be there.
    file.write_text(file.read_text().replace(f"User={USER}", "User=yunzhuo-license"))
    said = subprocess.run(judge, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout
    low = unit(Path("/etc/x.toml"), Path("/var/lib/x"), "x", port=443)
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in low


def test_lists_and_deletion_from_the_command_line(tool: Tool) -> None:
    home, file = f"--home={tool.folder / 'home'}", tool.folder / "list.csv"
    tool.ask("list", "template", str(file), home)
    assert tool.ask("list", "import", str(file), "--dry-run", home)["made"] == []
    (made,) = tool.ask("list", "import", str(file), home)["made"]
    assert made["code"]
    assert made["contact"]["one_time_password"]
    (again,) = tool.ask("list", "import", str(file), home, expected=1)["problems"]
    assert again["line"] == 2
    assert tool.ask("list", "export", str(tool.folder / "all.xlsx"), home)["file"]
    (found,) = tool.ask("installation", "list", home)["items"]
    assert found["terms"]["features"] == ["pools", "personal_disks"]
    changed = tool.ask("installation", "change", found["id"], "--edition", "standard", "--feature", "gateways", home)
    assert changed["terms"]["features"] == ["gateways"]
    assert tool.ask("installation", "delete", found["id"], home)["ok"]
    (customer,) = tool.ask("customer", "list", home)["items"]
    assert tool.ask("customer", "delete", customer["id"], home)["ok"]
    assert tool.ask("customer", "list", home)["items"] == []
