"""What `yunzhuo doctor` finds on computers that lack something: real looks, with what is lacking taken away."""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.commands import said
from tests.support.installation import Installation, installation

from yunzhuo.cli import checks, machine_checks, main
from yunzhuo.cli.checks import Finding, Verdict
from yunzhuo.cli.first_run import STATE_FILE
from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.config.settings import Settings

Program = Callable[[str, str], None]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Program:
    """Puts a program on a PATH that has nothing else on it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> None:
        file = folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    return put


def settings(home: Path, **host: object) -> Settings:
    return Settings.model_validate({"home": home, "cloud": {"driver": "local"}, "host": host})


def machines(home: Path, **host: object) -> dict[str, Finding]:
    return {found.what: found for found in machine_checks.virtual_machines(settings(home, **host))}


@pytest.mark.parametrize(
    ("answer", "verdict", "found"),
    [
        ("echo QEMU emulator version 9.2.1", Verdict.GOOD, "version 9.2"),
        ("echo QEMU emulator version 2.11.0", Verdict.BAD, "version 2.11"),
        ("exit 3", Verdict.BAD, "does not say its version"),
    ],
)
def test_qemu_is_asked_how_old_it_is(program: Program, answer: str, verdict: Verdict, found: str) -> None:
    program("qemu-system-x86_64", answer)
    assert checks.qemu().found == "qemu-img not found"
    program("qemu-img", "exit 0")
    assert (checks.qemu().verdict, checks.qemu().found) == (verdict, found)


def test_a_guests_network_needs_slirp_and_namespaces(program: Program, tmp_path: Path) -> None:
    found = machines(tmp_path)
    assert found["guests' internet"].found == "slirp4netns not found"
    assert found["namespaces"].found == "unshare not found"
    program("slirp4netns", "exit 0")
    program("unshare", "echo not for you >&2; exit 1")
    found = machines(tmp_path)
    assert found["guests' internet"].verdict in (Verdict.GOOD, Verdict.NOTE)
    assert (found["namespaces"].verdict, found["namespaces"].found) == (Verdict.NOTE, "refused: not for you")
    program("unshare", "exit 0")
    assert machines(tmp_path)["namespaces"].verdict is Verdict.GOOD
    assert machines(tmp_path, guest_internet=False)["guests' internet"].found.startswith("not wanted")


def test_qemus_user_has_to_be_there_for_root_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    missing = machines(tmp_path, qemu_user="no-such-user")["QEMU's user"]
    assert (missing.verdict, missing.found) == (Verdict.BAD, "there is no user no-such-user")
    assert machines(tmp_path, qemu_user="root")["QEMU's user"].verdict is Verdict.GOOD
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert machines(tmp_path, qemu_user="no-such-user")["QEMU's user"].found.endswith("(you)")


def test_kvm_is_believed_once_it_has_proved_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert machines(tmp_path, accelerator="tcg")["KVM"].found.startswith("not wanted")
    there = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: str(path) != "/dev/kvm" and there(path))
    assert machines(tmp_path)["KVM"].found == "not there"
    monkeypatch.setattr(Path, "exists", lambda path: str(path) == "/dev/kvm" or there(path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "prove itself" in machines(tmp_path)["KVM"].found
    kept = settings(tmp_path).host_dir / "accelerator.json"
    kept.parent.mkdir(parents=True)
    for content, verdict in (
        ('{"accelerator": "tcg"}', Verdict.NOTE),
        ('{"accelerator": "kvm"}', Verdict.GOOD),
        ("[]", Verdict.GOOD),
    ):
        kept.write_text(content)
        assert machines(tmp_path)["KVM"].verdict is verdict
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert machines(tmp_path)["KVM"].found == "not yours to use"


def test_a_tunnel_that_may_not_be_opened_is_told(program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program("slirp4netns", "exit 0")
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith("/dev/") and mode is not None)
    assert "not yours to open" in machines(tmp_path)["guests' internet"].found


def test_a_port_that_is_taken_names_who_has_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wished = Settings.model_validate(
            {"home": tmp_path, "web": {"host": "127.0.0.1", "port": port}, "stream": {"port": port}}
        )
        found = [each for each in checks.ports(wished) if f"port {port}" in each.what]
        assert [each.verdict for each in found] == [Verdict.BAD] * 2
        assert f"(process {os.getpid()})" in found[0].found
    elsewhere = Settings.model_validate({"home": tmp_path, "web": {"host": "192.0.2.1", "port": port}})
    (found_elsewhere,) = [each for each in checks.ports(elsewhere) if "web.port" in each.what]
    assert found_elsewhere.found == f"{os.strerror(errno.EADDRNOTAVAIL)} on 192.0.2.1"
    agents = {"public_url": "https://agents.school.example"}
    with_agents = Settings.model_validate({"home": tmp_path, "agents": agents})
    assert sum("agents" in each.what for each in checks.ports(with_agents)) == 2


class TestOfWhatRuns:
    """With an installation that is there."""

    @pytest.fixture
    def yunzhuo(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Installation:
        monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
        with installation(tmp_path / "home") as yunzhuo:
            return yunzhuo

    def test_processes_are_told_one_by_one(
        self, yunzhuo: Installation, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        state = tmp_path / "home" / STATE_FILE
        state.parent.mkdir(exist_ok=True)
        for content in ("nothing", '{"supervisor": 0, "processes": {}}'):
            state.write_text(content)
            main(["doctor"])
            assert "Yunzhuo does not run" in capsys.readouterr().out
        processes = f'{{"web": {{"pid": {os.getpid()}}}, "gateway": {{"pid": null}}}}'
        state.write_text(f'{{"supervisor": {os.getpid()}, "processes": {processes}}}')
        assert main(["doctor"]) == 1
        told = capsys.readouterr().out
        assert f"runs (process {os.getpid()})" in told
        assert "is down and is being started again" in told
        assert "web.port" not in told, "a running Yunzhuo has its ports itself"

    def test_a_cloud_that_is_away_is_told(
        self, yunzhuo: Installation, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        assert "a new one takes about a second" in said(capsys, "doctor")
        with installation(tmp_path / "home") as again:
            again.weather.faults.set(Fault(operation="cloud.check", kind=FaultKind.FAIL_BEFORE, count=None))
            main(["doctor"])
            told = capsys.readouterr().out
            again.weather.faults.clear()
        assert "cloud" in told
        assert "a new one takes about a second" not in told

    def test_an_older_schema_is_told(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
        (tmp_path / "home").mkdir(mode=0o755)
        main(["doctor"])
        assert "not made yet" in capsys.readouterr().out
        (tmp_path / "home" / "yunzhuo.db").touch()
        main(["doctor"])
        told = capsys.readouterr().out
        assert "yunzhuo db upgrade" in told or "cannot be used" in told
        assert "is open to others (mode 755)" in told
