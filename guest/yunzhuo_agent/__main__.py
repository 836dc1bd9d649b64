"""``yunzhuo-agent``: be the agent. ``yunzhuo-agent fetch``: read the config drive."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from yunzhuo_agent import door, status
from yunzhuo_agent.asked import Asked
from yunzhuo_agent.turns import Turns

_CHOICES = Path("/etc/yunzhuo-agent/agent.json")


def main() -> int:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser(prog="yunzhuo-agent", description="Yunzhuo's agent inside a desktop.")
    parser.add_argument("command", nargs="?", choices=("run", "fetch"), default="run")
    parser.add_argument("--door", type=Path, action="append", help="where the address and the key are, the first that is there")
    parser.add_argument("--choices", type=Path, default=_CHOICES, help="what the image chooses: user, home, ready_files")
    options = parser.parse_args()
    if options.command == "fetch":
        _say("read the config drive" if door.fetch() else "the config drive has no agent's key, or there is none")
        return 0
    choices = _read_choices(options.choices)
    files = options.door or [door.FETCHED, door.WRITTEN]
    turns = Turns(partial(door.read, files), partial(status.look, choices), Asked(choices).answer, status.boot(), _Saying().say)
    turns.run()
    return 0


def _read_choices(file: Path) -> status.Choices:
    if not file.exists():
        return status.Choices()
    said = json.loads(file.read_text(encoding="utf-8"))
    ready_files = tuple(map(str, said.get("ready_files", ())))
    return status.Choices(str(said.get("user", "")), str(said.get("home", "")), ready_files)


class _Saying:
    """The same line again and again is one line."""

    def __init__(self) -> None:
        self._last = ""

    def say(self, line: str) -> None:
        if line != self._last:
            _say(line)
            self._last = line


def _say(line: str) -> None:
    sys.stderr.write(f"yunzhuo-agent: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
