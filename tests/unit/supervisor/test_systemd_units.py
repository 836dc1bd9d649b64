"""The units as systemd reads them: nothing unknown in them, little exposed, and every path is what it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.committed_page import check

from yunzhuo.scheduler.platform.plan import Part, Plan, State
from yunzhuo.scheduler.platform.systemd import status_of
from yunzhuo.scheduler.platform.units import unit_name, unit_text

INFRAS = Path(__file__).parents[3] / "infras" / "systemd"
# Of a program that systemd finds, and of one that lies where programs should.
HERE, OPT = Path(sys.executable), Path("/opt/yunzhuo/.venv/bin/python")
# Of a hundred, where less is better; what is left is mostly that it serves the network.
MOST_EXPOSED = {"all": 15, "gateway": 15, "machines": 28}


def plan(kind: str, home: Path, python: Path = OPT) -> Plan:
    if kind == "gateway":
        return Plan(Part.GATEWAY, python, Path("/etc/yunzhuo/gateway.toml"), None, "daemon")
    has_machines = kind == "machines"
    groups = ("kvm",) if has_machines else ()
    return Plan(Part.ALL, python, Path("/etc/yunzhuo/yunzhuo.toml"), home, "daemon", groups=groups, has_machines=has_machines)


def analyze(tmp_path: Path, text: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    unit = tmp_path / "yunzhuo.service"
    unit.write_text(text)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    command = ["systemd-analyze", *arguments, str(unit)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("kind", MOST_EXPOSED)
@pytest.mark.parametrize("of_user", [False, True], ids=["system", "user"])
def test_systemd_understands_it(tmp_path: Path, kind: str, of_user: bool) -> None:
    odd = Path('/srv/a 100% "odd" $HOME\'s place')

    text = unit_text(plan(kind, odd, HERE), of_user=of_user)

    said = analyze(tmp_path, text, *(["--user"] if of_user else []), "verify", "--man=no", "--recursive-errors=no")

    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize("kind", MOST_EXPOSED)
def test_little_is_exposed(tmp_path: Path, kind: str) -> None:
    text = unit_text(plan(kind, Path("/var/lib/yunzhuo")))

    said = analyze(tmp_path, text, "security", "--offline=true", f"--threshold={MOST_EXPOSED[kind]}")

    assert said.returncode == 0, said.stdout


def test_what_lies_in_a_home_or_tmp_is_not_hidden_from_it() -> None:
    hidden = unit_text(Plan(Part.ALL, Path("/opt/y/python"), None, Path("/var/lib/yunzhuo"), "daemon"))
    seen = unit_text(Plan(Part.ALL, Path("/home/lin/y/python"), None, Path("/tmp/state"), "daemon"))

    assert {"ProtectHome=yes", "PrivateTmp=yes", "ReadWritePaths=/var/lib/yunzhuo"} <= set(hidden.splitlines())
    assert {"ProtectHome=read-only", "PrivateTmp=no", "ReadWritePaths=/tmp/state"} <= set(seen.splitlines())


def test_machines_outlive_a_stop() -> None:
    assert "KillMode=process" in unit_text(plan("machines", Path("/srv/y")))
    assert "KillMode=mixed" in unit_text(plan("all", Path("/srv/y")))


SHOWN = """\
ActiveState=active
SubState=running
Result=success
MainPID=78
StatusText=the portal answers at http://localhost:8080
UnitFileState=enabled
NRestarts=2
ActiveEnterTimestamp=Thu 2026-11-26 10:14:01 UTC
"""


def test_what_systemctl_shows_is_read() -> None:
    found = status_of(SHOWN)

    assert (found.state, found.at_boot, found.pid) == (State.RUNNING, True, 78)
    assert found.says == "the portal answers at http://localhost:8080"
    assert found.details == {"since": "Thu 2026-11-26 10:14:01 UTC", "started again": "2"}


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        ("ActiveState=failed\nMainPID=0\nResult=watchdog\n", State.FAILED),
        ("ActiveState=activating\nMainPID=9\n", State.STARTING),
        ("ActiveState=surprising\n", State.UNKNOWN),
        ("", State.UNKNOWN),
    ],
)
def test_every_state_has_a_word(shown: str, state: State) -> None:
    assert status_of(shown).state is state


_HEADS = {
    Part.ALL: """\
# All of Yunzhuo on one computer, with a cloud elsewhere, as `yunzhuo service install` writes it; made from the code.
#
#   yunzhuo service install --config /etc/yunzhuo/yunzhuo.toml --home /var/lib/yunzhuo
""",
    Part.GATEWAY: """\
# A Yunzhuo gateway on a computer of its own, as `yunzhuo service install gateway` writes it; made from the code.
#
#   yunzhuo service install gateway --config /etc/yunzhuo/gateway.toml
#   chown root:yunzhuo-gateway /etc/yunzhuo/gateway.* && chmod 640 /etc/yunzhuo/gateway.*      (configuration, key, certificate)
""",
}


@pytest.mark.parametrize("part", Part)
def test_the_examples_are_what_is_written(part: Part) -> None:
    python = Path("/opt/yunzhuo/.venv/bin/python")
    if part is Part.ALL:
        example = Plan(part, python, Path("/etc/yunzhuo/yunzhuo.toml"), Path("/var/lib/yunzhuo"), "yunzhuo")
    else:
        example = Plan(part, python, Path("/etc/yunzhuo/gateway.toml"), None, "yunzhuo-gateway")

    check(INFRAS / unit_name(part), f"{_HEADS[part]}\n{unit_text(example)}")
