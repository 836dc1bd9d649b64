"""Workers and schedulers, started again when they die: ``python -m tests.chaos.nursery SETTINGS POINTS CLOCK NAME...``.

Each is a process of its own, forked from one that has loaded everything: starting Python anew a few hundred times would take
most of the time. It ends with the process that started it.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.kill_points import KillPoints
from tests.chaos.saboteur import Saboteur, WrongClock
from tests.support.background import RUN
from yunzhuo.phoenix.config.settings import Settings

DEATHS, PIDS = "deaths.jsonl", "pids.json"


class Nursery:
    """The processes by name."""

    def __init__(self, settings: Settings, points: KillPoints, clock: WrongClock) -> None:
        self._settings = settings
        self._points = points
        self._clock = clock
        self._home = settings.home
        self._children: dict[int, tuple[str, int]] = {}
        self._is_ending = False

    def run(self, names: Sequence[str]) -> None:
        """Keep them running until told to end, or until nobody is there to tell."""
        signal.signal(signal.SIGTERM, self._end)
        parent = os.getppid()
        for name in names:
            self._start(name)
        while not self._is_ending and os.getppid() == parent:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid:
                self._ended(pid, os.waitstatus_to_exitcode(status))
            else:
                time.sleep(0.01)
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)
        for pid in self._children:
            os.waitpid(pid, 0)

    def _end(self, *_: object) -> None:
        self._is_ending = True

    def _ended(self, pid: int, code: int) -> None:
        name, lifeline = self._children.pop(pid)
        os.close(lifeline)
        with (self._home / DEATHS).open("a") as deaths:
            deaths.write(json.dumps({"name": name, "code": code}) + "\n")
        self._start(name)

    def _start(self, name: str) -> None:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(writer)
            for _, lifeline in self._children.values():
                os.close(lifeline)
            self._be(name, reader)
        os.close(reader)
        self._children[pid] = (name, writer)
        draft = self._home / f"{PIDS}.draft"
        draft.write_text(json.dumps({child_name: child for child, (child_name, _) in self._children.items()}))
        draft.replace(self._home / PIDS)

    def _be(self, name: str, lifeline: int) -> None:
        """The child: what ``yunzhuo worker --supervised`` does, and nothing of the parent's afterwards."""
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.dup2(lifeline, 0)
            log = os.open(self._home / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            kind = name.partition("-")[0]
            if kind == "worker":
                Saboteur(self._settings, self._points).watch()
            code = RUN[kind](self._settings, supervised=True, clock=self._clock)
        finally:
            os._exit(code)


if __name__ == "__main__":
    settings_file, points_folder, clock_file = map(Path, sys.argv[1:4])
    Nursery(Settings.model_validate_json(settings_file.read_text()), KillPoints(points_folder), WrongClock(clock_file)).run(
        sys.argv[4:]
    )
