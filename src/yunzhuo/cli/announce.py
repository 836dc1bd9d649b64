"""Tells whoever started Yunzhuo that it is there, where, and how to get in; then, that desktops are fast."""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TextIO

import click
import httpx

from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.scheduler.console import Level
from yunzhuo.scheduler.platform import journal
from yunzhuo.services.first_start import FirstAdministrator, first_password_file

LOG_FOLDER = "logs"

_REMIND_SECONDS = 15.0
_SLOW_START_SECONDS = 30.0
_ANSWER_SECONDS = 5.0
# Deaths in a row before the portal ever answered: then it is not bad luck, and trying on helps nobody.
HOPELESS_DEATHS = 5
_LAST_LINES = 8

Deaths = Callable[[], Mapping[str, int]]


def say(text: str = "") -> None:
    """Lines on standard output. A reader who has gone away must not stop Yunzhuo."""
    _write(Level.INFO, text, sys.stdout)


def warn(text: str, level: Level = Level.WARNING) -> None:
    """Lines on standard error, under the same promise."""
    _write(level, text, sys.stderr)


def _write(level: Level, text: str, stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):
        click.echo(journal.marked(level, text) if journal.goes_to_journal(stream, os.environ) else text, file=stream)
        stream.flush()


@dataclass(frozen=True)
class Running:
    """What the announcer needs to know of the supervisor; ``on_up`` is called when the portal answers."""

    on_up: Callable[[], None]
    deaths_in_a_row: Deaths
    last_lines: Callable[[str, int], list[str]]
    stop: Callable[[], None]


@dataclass(frozen=True)
class Pace:
    """How often the announcer looks, and by which clock."""

    look_seconds: float = 0.1
    look_ready_seconds: float = 1.0
    now: Callable[[], float] = time.monotonic


_USUAL = Pace()


class Announcer:
    """Watches the start from a thread of its own. ``failure`` says why it was given up, or is None.

    ``unattended``: what is said is kept in a log, so that no password may be in it.
    """

    def __init__(
        self,
        settings: Settings,
        administrator: FirstAdministrator,
        *,
        as_json: bool,
        unattended: bool = False,
        pace: Pace = _USUAL,
    ) -> None:
        self._unattended = unattended
        self._settings = settings
        self._administrator = administrator
        self._as_json = as_json
        self._over = threading.Event()
        self._pace = pace
        self._started = pace.now()
        self.failure: str | None = None

    def start(self, running: Running) -> None:
        """Begin to watch."""
        threading.Thread(target=self._watch, args=(running,), name="announcer", daemon=True).start()

    def stopping(self) -> None:
        """Yunzhuo begins to stop: stop watching and say so."""
        self._over.set()
        if not self.failure:
            self._say("stopping", "Stopping. Desktops go on; `yunzhuo host stop-all` ends them.")

    def stopped(self) -> None:
        """All processes have ended."""
        self._over.set()
        if not self.failure:
            self._say("stopped", "Stopped.")

    def _watch(self, running: Running) -> None:
        with httpx.Client(base_url=_base_url(self._settings), timeout=_ANSWER_SECONDS, trust_env=False) as client:
            if self._await_portal(client, running):
                running.on_up()
                say(self._block())
                self._await_ready(client)

    def _await_portal(self, client: httpx.Client, running: Running) -> bool:
        warned = False
        while not _answers(client, "/healthz"):
            hopeless = next((name for name, deaths in running.deaths_in_a_row().items() if deaths >= HOPELESS_DEATHS), None)
            if hopeless and not self._over.is_set():
                log_file = self._settings.home / LOG_FOLDER / f"{hopeless}.log"
                last = "\n".join(f"  | {line}" for line in running.last_lines(hopeless, _LAST_LINES))
                self.failure = f"{hopeless} ended {HOPELESS_DEATHS} times while starting; the end of {log_file}:\n{last}"
                running.stop()
                return False
            if not warned and self._pace.now() - self._started > _SLOW_START_SECONDS:
                warned = True
                say(f"The portal does not answer yet; what it says is in {self._settings.home / LOG_FOLDER / 'web.log'}")
            if self._over.wait(self._pace.look_seconds):
                return False
        return not self._over.is_set()

    def _await_ready(self, client: httpx.Client) -> None:
        said, said_at = "", float("-inf")
        while (missing := _missing(client)) != "":
            now = self._pace.now()
            if missing is not None and (missing != said or now - said_at >= _REMIND_SECONDS):
                self._say("preparing", f"{missing} ({now - self._started:.0f} s)")
                said, said_at = missing, now
            if self._over.wait(self._pace.look_ready_seconds):
                return
        self._say("ready", "Ready: a new desktop takes about a second.")

    def _say(self, event: str, text: str) -> None:
        say(json.dumps({"event": event, "message": text}, ensure_ascii=False) if self._as_json else text)

    def _block(self) -> str:
        url, administrator, home = self._settings.public_url, self._administrator, self._settings.home
        password = administrator.one_time_password
        if self._as_json:
            data = {"event": "started", "url": url, "administrator": administrator.email, "home": str(home)}
            return json.dumps(data if self._unattended else {**data, "one_time_password": password})
        shown = f"in {first_password_file(self._settings)}" if self._unattended else password
        secret = f"{shown}   (works once: you choose your own then)" if password else "the one you chose"
        return "\n".join(
            [
                "",
                "Yunzhuo is running.",
                "",
                f"  Portal     {url}",
                f"  Sign in    {administrator.email}",
                f"  Password   {secret}",
                "",
                f"  State is in {home}, logs in {home / LOG_FOLDER}.",
                *([] if self._unattended else ["  Ctrl-C stops Yunzhuo; desktops go on."]),
                "",
            ]
        )


def _base_url(settings: Settings) -> str:
    host = "127.0.0.1" if settings.web.host in {"0.0.0.0", "::"} else settings.web.host  # nosec B104 # compared, not bound
    return f"http://[{host}]:{settings.web.port}" if ":" in host else f"http://{host}:{settings.web.port}"


def _answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).is_success
    except httpx.HTTPError:
        return False


def _missing(client: httpx.Client) -> str | None:
    """What desktops still wait for, in words; empty: nothing; None: the portal does not say."""
    try:
        answer = client.get("/readyz")
        if answer.is_success:
            return ""
        missing = answer.json().get("missing", {})
        return " ".join(str(sentence) for sentence in missing.values()) or None
    except (httpx.HTTPError, ValueError, AttributeError):
        return None
