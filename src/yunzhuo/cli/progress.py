"""Progress of something long: a bar on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from yunzhuo.host.image_progress import Progress, Report

PLAIN_LINE_SECONDS = 5.0


@contextmanager
def shown(title: str) -> Iterator[Report]:
    """A function to call with progress for the length of a ``with`` block; nothing is shown before its first call."""
    if sys.stderr.isatty():
        with _bar(title) as report:
            yield report
    else:
        yield PlainLines(title, lambda line: print(line, file=sys.stderr, flush=True))


@contextmanager
def _bar(title: str) -> Iterator[Report]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1.0, visible=False)
        yield lambda progress: bar.update(task, completed=progress.fraction, description=f"{title}: {progress}", visible=True)


class PlainLines:
    """Says a line at the first report, whenever a new step begins, and every few seconds in between."""

    def __init__(self, title: str, say: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._say = say
        self._now = now
        self._step = ""
        self._said_at = float("-inf")

    def __call__(self, progress: Progress) -> None:
        now = self._now()
        if progress.step != self._step or now - self._said_at >= PLAIN_LINE_SECONDS:
            self._step, self._said_at = progress.step, now
            self._say(f"{self._title}: {progress}")
