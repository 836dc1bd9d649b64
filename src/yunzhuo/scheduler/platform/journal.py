"""Lines for the journal: how serious each is stands before it, as ``<4>`` (sd-daemon(3)), and journald takes it off again."""

import os
from collections.abc import Mapping
from typing import TextIO

from yunzhuo.scheduler.console import Level


def goes_to_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether ``stream`` is the one that journald gave us: JOURNAL_STREAM has its device and inode (systemd.exec(5))."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def marked(level: Level, text: str) -> str:
    """``text`` with its level before every line."""
    return "\n".join(f"<{int(level)}>{line}" for line in text.split("\n"))
