"""Progress without a terminal."""

import os
import sys
from contextlib import suppress
from typing import IO

import pytest

from yunzhuo.cli.progress import PLAIN_LINE_SECONDS, PlainLines, shown
from yunzhuo.host.image_progress import Progress


def test_a_line_comes_with_each_step_and_every_few_seconds() -> None:
    said: list[str] = []
    now = 0.0
    report = PlainLines("image", said.append, lambda: now)

    for second in range(12):
        now = float(second)
        report(Progress("packages" if second < 11 else "disk", second / 11, 20))

    assert said == [
        "image: packages (0%, about 20 s left)",
        "image: packages (45%, about 20 s left)",
        "image: packages (91%, about 20 s left)",
        "image: disk (100%)",
    ]
    assert PLAIN_LINE_SECONDS == 5


def test_no_terminal_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with shown("image") as report:
        report(Progress("packages", 0.5, 30))

    assert capsys.readouterr().err == "image: packages (50%, about 30 s left)\n"


def all_of(screen: IO[bytes]) -> str:
    """All that was written; a terminal passes it on piece by piece, and ends in an error when nobody has it any more."""
    pieces = []
    with suppress(OSError):
        while piece := screen.read(65536):
            pieces.append(piece)
    return b"".join(pieces).decode()


def test_a_terminal_gets_a_bar_that_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(ours, "rb", buffering=0) as screen:
        with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as changed:
            changed.setattr(sys, "stderr", terminal)
            with shown("image") as report:
                report(Progress("packages", 0.5, 30))
        drawn = all_of(screen)

    assert "image: packages (50%, about 30 s left)" in drawn
    assert drawn.rstrip().endswith("\x1b[2K")  # the line is empty again
