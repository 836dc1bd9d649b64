"""What `yunzhuo up` says while it starts: where the portal is and how to get in, what desktops still wait for, what failed."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.support.waiting import eventually

from yunzhuo.cli.announce import HOPELESS_DEATHS, Announcer, Pace, Running
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.services.first_start import FirstAdministrator

BOSS = FirstAdministrator("boss@school.local", "once-only-word")
PREPARING = (503, json.dumps({"missing": {"image": "The image is being built.", "host": "No host yet."}}))


class Portal:
    """What a starting portal answers, and a clock that goes on by eight seconds with each answer."""

    def __init__(self, *readiness: tuple[int, str], health: int = 200) -> None:
        self.health = health
        self.readiness = [*readiness, (200, "{}")]
        self.second = 0.0
        self.asked = 0

    def answer(self, path: str) -> tuple[int, str]:
        self.second += 8
        self.asked += 1
        return (self.health, "") if path == "/healthz" else self.readiness.pop(0)

    @contextmanager
    def listening(self, home: Path) -> Iterator[Settings]:
        """The settings of an installation that has this portal."""
        portal = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                code, body = portal.answer(self.path)
                self.send_response(code)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield Settings.model_validate({"home": home, "web": {"host": "0.0.0.0", "port": server.server_port}})
            finally:
                server.shutdown()
                thread.join()

    def pace(self) -> Pace:
        return Pace(look_seconds=0.01, look_ready_seconds=0.01, now=lambda: self.second)


class Supervisor:
    """What the announcer asks of the supervisor, and what it told it."""

    def __init__(self, **deaths: int) -> None:
        self.deaths = deaths
        self.told: list[str] = []

    def running(self) -> Running:
        return Running(
            on_up=lambda: self.told.append("up"),
            deaths_in_a_row=lambda: self.deaths,
            last_lines=lambda name, _most: [f"{name} says why"],
            stop=lambda: self.told.append("stop"),
        )


def watched() -> None:
    """Wait until the announcer has nothing more to watch."""
    eventually(lambda: "announcer" not in {each.name for each in threading.enumerate()}, 10)


def announced(
    portal: Portal, home: Path, supervisor: Supervisor, *, as_json: bool = False, unattended: bool = False
) -> Announcer:
    """A start that was watched to its end."""
    with portal.listening(home) as settings:
        announcer = Announcer(settings, BOSS, as_json=as_json, unattended=unattended, pace=portal.pace())
        announcer.start(supervisor.running())
        watched()
    return announcer


def test_a_start_is_told_and_what_is_missing_once_and_again_after_a_while(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    portal, supervisor = Portal(PREPARING, PREPARING, PREPARING, (502, "<html>"), (503, "{}")), Supervisor()
    announcer = announced(portal, tmp_path, supervisor)
    announcer.stopping()
    announcer.stopped()

    lines = capsys.readouterr().out.splitlines()
    assert "  Sign in    boss@school.local" in lines
    assert "  Password   once-only-word   (works once: you choose your own then)" in lines
    assert lines[lines.index("") + 1] == "Yunzhuo is running."
    assert lines[-5:] == [
        "The image is being built. No host yet. (16 s)",
        "The image is being built. No host yet. (32 s)",
        "Ready: a new desktop takes about a second.",
        "Stopping. Desktops go on; `yunzhuo host stop-all` ends them.",
        "Stopped.",
    ]
    assert supervisor.told == ["up"]
    assert announcer.failure is None


@pytest.mark.parametrize("unattended", [False, True])
def test_programs_read_it_line_by_line_and_no_log_gets_the_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], unattended: bool
) -> None:
    announced(Portal(PREPARING), tmp_path, Supervisor(), as_json=True, unattended=unattended)

    started, preparing, ready = map(json.loads, capsys.readouterr().out.splitlines())
    assert (started["event"], started["administrator"], started["home"]) == ("started", "boss@school.local", str(tmp_path))
    assert started.get("one_time_password") == (None if unattended else "once-only-word")
    assert preparing == {"event": "preparing", "message": "The image is being built. No host yet. (16 s)"}
    assert ready["event"] == "ready"


def test_a_log_gets_the_place_of_the_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    announced(Portal(), tmp_path, Supervisor(), unattended=True)

    said = capsys.readouterr().out
    assert f"in {tmp_path / 'secrets' / 'first-password'}" in said
    assert "once-only-word" not in said
    assert "Ctrl-C" not in said


def test_a_slow_start_is_told_once_and_an_end_before_it_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    portal, supervisor = Portal(health=503), Supervisor(web=HOPELESS_DEATHS - 1)
    with portal.listening(tmp_path) as settings:
        announcer = Announcer(settings, BOSS, as_json=False, pace=portal.pace())
        announcer.start(supervisor.running())
        eventually(lambda: portal.asked > 8, 10)
        announcer.stopping()
        watched()

    slow, stopping = capsys.readouterr().out.splitlines()
    assert slow == f"The portal does not answer yet; what it says is in {tmp_path / 'logs' / 'web.log'}"
    assert stopping.startswith("Stopping.")
    assert (supervisor.told, announcer.failure) == ([], None)


def test_an_end_while_desktops_are_not_ready_stops_the_watch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    portal = Portal(*[PREPARING] * 10_000)
    with portal.listening(tmp_path) as settings:
        announcer = Announcer(settings, BOSS, as_json=False, pace=portal.pace())
        announcer.start(Supervisor().running())
        eventually(lambda: portal.asked > 2, 10)
        announcer.stopping()
        watched()

    assert "Ready" not in capsys.readouterr().out


def test_what_dies_again_and_again_is_given_up_with_what_it_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    supervisor = Supervisor(stream=0, web=HOPELESS_DEATHS)
    announcer = announced(Portal(health=503), tmp_path, supervisor)
    announcer.stopping()
    announcer.stopped()

    told = f"web ended 5 times while starting; the end of {tmp_path / 'logs' / 'web.log'}:\n  | web says why"
    assert announcer.failure == told
    assert supervisor.told == ["stop"]
    assert capsys.readouterr().out == ""  # whoever asked says the failure
