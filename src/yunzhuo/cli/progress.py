"""Progress of something long: a bar on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

PLAIN_LINE_SECONDS = 5.0

# (share that is done, 0.0 to 1.0; what is being done now)
Report = Callable[[float, str], None]


@contextmanager
def shown(title: str) -> Iterator[Report]:
    """A function to call with progress for the length of a ``with`` block. It may be called from any thread."""
    if sys.stderr.isatty():
        with _bar(title) as report:
            yield report
    else:
        yield PlainLines(title, lambda line: print(line, file=sys.stderr, flush=True))


@contextmanager
def _bar(title: str) -> Iterator[Report]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=1.0)
        yield lambda share, step: progress.update(task, completed=share, description=f"{title}: {step}")


class PlainLines:
    """Says a line at the first report, whenever a new step begins, and every few seconds in between."""

    def __init__(self, title: str, say: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._say = say
        self._now = now
        self._step = ""
        self._said_at = float("-inf")

    def __call__(self, share: float, step: str) -> None:
        now = self._now()
        if step != self._step or now - self._said_at >= PLAIN_LINE_SECONDS:
            self._step, self._said_at = step, now
            self._say(f"{self._title}: {step} ({share:.0%})")
