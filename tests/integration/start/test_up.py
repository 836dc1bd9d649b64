"""`yunzhuo up` as a person starts and stops it: real processes, the memory cloud."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.running import Running, free_ports, launch, wait_until_ready
from tests.support.waiting import eventually

from yunzhuo.host.processes import identify
from yunzhuo.phoenix.config.loader import project_root

pytestmark = pytest.mark.servers

READY_SECONDS = 60


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Running]:
    """A Yunzhuo that has just been started; it may be stopped by the test."""
    running = launch(tmp_path / "home", free_ports("web", "gateway", "stream"), CLOUD__DRIVER="memory")
    yield running
    if running.process.poll() is None:
        running.interrupt()


def is_alive(pid: int) -> bool:
    return identify(pid) is not None


def said(running: Running) -> str:
    return running.output.read_text()


def test_it_says_where_it_is_and_how_to_get_in(started: Running) -> None:
    wait_until_ready(started, READY_SECONDS)
    eventually(lambda: "Ready:" in said(started), 10, what=lambda: said(started))

    text = said(started)
    assert re.findall(r"https?://\S+", text)[0] == started.url
    password = re.search(r"^  Password +(\S+) ", text, re.MULTILINE)
    assert password is not None
    answer = httpx.post(f"{started.url}/api/v1/tokens", json={"email": "admin@yunzhuo.local", "password": password[1]})
    assert answer.status_code in {201, 403}, answer.text  # 403: it has to be changed in the portal first
    assert started.home.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (started.home / "secrets").iterdir()} == {0o600}


def test_ctrl_c_stops_everything_in_time_and_the_next_start_goes_on(started: Running) -> None:
    wait_until_ready(started, READY_SECONDS)
    pids = list(started.pids().values())
    started.add_user("lin@school.local")

    begun = time.monotonic()
    assert started.interrupt() == 0
    assert time.monotonic() - begun < 20
    assert not any(is_alive(pid) for pid in pids)
    assert "Stopping. Desktops go on; `yunzhuo host stop-all` ends them." in said(started)

    again = launch(started.home, started.ports, CLOUD__DRIVER="memory")
    try:
        wait_until_ready(again, READY_SECONDS)
        with again.api("lin@school.local") as api:
            assert api.get("users/me").status_code == 200
    finally:
        again.interrupt()


def test_what_is_killed_comes_back(started: Running) -> None:
    wait_until_ready(started, READY_SECONDS)
    before = started.pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    def all_new() -> bool:
        now = started.pids()
        return now.keys() == before.keys() and not set(now.values()) & set(before.values())

    eventually(all_new, 10, what="every process anew")
    wait_until_ready(started, READY_SECONDS)
    assert "web ended (SIGKILL); starting it again in 0.1 s" in said(started)


def test_a_second_one_on_the_same_folder_says_so_and_ends(started: Running) -> None:
    wait_until_ready(started, READY_SECONDS)

    second = launch(started.home, free_ports("web", "gateway", "stream"), CLOUD__DRIVER="memory")
    assert second.process.wait(20) == 1

    assert (
        said(second)
        .splitlines()[-1]
        .startswith(f"error: Yunzhuo runs on {started.home} already (process {started.process.pid})")
    )


def test_a_port_that_is_taken_is_one_clear_line(started: Running, tmp_path: Path) -> None:
    wait_until_ready(started, READY_SECONDS)
    ports = free_ports("web", "gateway", "stream") | {"gateway": started.ports["gateway"]}

    refused = launch(tmp_path / "other", ports, CLOUD__DRIVER="memory")
    assert refused.process.wait(20) == 1

    (line,) = said(refused).splitlines()
    assert line.startswith(f"error: port {ports['gateway']} (gateway.port): taken by ")
    assert line.endswith(f"(process {started.pids()['gateway']}); stop that, or choose another with --gateway-port")


def test_a_start_right_after_the_supervisor_was_killed(started: Running) -> None:
    # The portal answers a moment before the supervisor says so; killed in between, the first one would never be counted.
    eventually(lambda: "Yunzhuo is running." in said(started), READY_SECONDS, what=lambda: said(started))
    left = list(started.pids().values())
    started.process.kill()
    started.process.wait()

    again = launch(started.home, started.ports, CLOUD__DRIVER="memory")
    try:
        # What is left of the first one may answer for a moment yet; the second one's word counts.
        eventually(lambda: said(again).count("Yunzhuo is running.") == 2, READY_SECONDS, what=lambda: said(again))
        assert not any(is_alive(pid) for pid in left)
        wait_until_ready(again, READY_SECONDS)
    finally:
        again.interrupt()


def test_a_broken_state_folder_is_one_clear_line(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "queue").mkdir(parents=True)
    (home / "queue" / "messages").write_text("not a folder")

    refused = launch(home, free_ports("web", "gateway", "stream"), CLOUD__DRIVER="memory")

    assert refused.process.wait(60) == 1
    assert said(refused) == f"error: {home}/queue/messages: File exists\n"


def test_a_portal_that_always_dies_ends_the_start_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A Python whose start-up code breaks for the portal alone.
    (tmp_path / "sitecustomize.py").write_text("import sys\nif 'web' in sys.orig_argv: sys.exit('error: no luck today')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    refused = launch(tmp_path / "home", free_ports("web", "gateway", "stream"), CLOUD__DRIVER="memory")

    assert refused.process.wait(60) == 1
    text = said(refused)
    log = refused.home / "logs" / "web.log"
    assert f"error: web ended 5 times while starting; the end of {log}:\n  | " in text
    assert text.endswith("  | SystemExit: error: no luck today\n")
    assert "http://" not in text


def test_make_run_is_stopped_by_ctrl_c_to_its_whole_group(tmp_path: Path) -> None:
    ports = free_ports("web", "gateway", "stream")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("YUNZHUO_", "MAKE", "MFLAGS"))}
    output = tmp_path / "make.log"
    arguments = (
        f"--home {tmp_path / 'home'} --port {ports['web']} --gateway-port {ports['gateway']} --stream-port {ports['stream']}"
    )
    with output.open("w") as log:
        make = subprocess.Popen(
            ["make", "run", f"ARGS={arguments}"],
            cwd=project_root(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**environment, "YUNZHUO_CLOUD__DRIVER": "memory"},
            start_new_session=True,
        )
    try:
        eventually(lambda: "Yunzhuo is running." in output.read_text(), READY_SECONDS, what=output.read_text)
        processes = json.loads((tmp_path / "home" / "run" / "processes.json").read_text())
        os.killpg(make.pid, signal.SIGINT)
        make.wait(20)
        pids = [processes["supervisor"], *(entry["pid"] for entry in processes["processes"].values())]
        eventually(lambda: not any(is_alive(pid) for pid in pids), 20, what="the end of all processes")
    finally:
        if make.poll() is None:
            os.killpg(make.pid, signal.SIGKILL)
            make.wait()
    assert re.findall(r"https?://\S+", output.read_text())[0] == f"http://localhost:{ports['web']}"
