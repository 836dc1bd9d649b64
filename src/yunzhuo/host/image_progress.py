"""How far the building of an image is, told from what the programs that build it write."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

_SECONDS_BETWEEN_REPORTS = 0.2
# Until the build has its own pace, it is taken to be that of the computer the steps were measured on.
_PRIOR_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a build. ``seconds`` is what it took where it was measured; only the ratios count."""

    name: str
    title: str
    seconds: float


PACKAGE_STEPS = (
    Step("lists", "reading package lists", 5),
    Step("base", "installing the base system", 9),
    Step("download", "downloading packages", 6),
    Step("install", "installing packages", 36),
    Step("pack", "packing packages", 5),
)
DISK_STEPS = (
    Step("unpack", "unpacking packages", 8),
    Step("configure", "setting up the desktop", 6),
    Step("initrd", "making the initrd", 1),
    Step("disk", "writing the disk", 6),
    Step("convert", "converting the disk", 3),
    Step("store", "storing the image", 3),
)


@dataclass(frozen=True, slots=True)
class Progress:
    """``fraction`` of the whole that is done, from 0.0 to 1.0; ``seconds_left`` is an estimate."""

    step: str
    fraction: float
    seconds_left: float

    def __str__(self) -> str:
        left = f", about {max(1, round(self.seconds_left))} s left" if self.fraction < 1 else ""
        return f"{self.step} ({self.fraction:.0%}{left})"


Report = Callable[[Progress], None]


class Meter:
    """Turns steps and their parts into progress of the whole. It never goes back, and does not report too often."""

    def __init__(self, steps: Sequence[Step], report: Report, now: Callable[[], float] = time.monotonic) -> None:
        self._steps = {step.name: step for step in steps}
        self._total = sum(step.seconds for step in steps)
        self._report = report
        self._now = now
        self._began_at = now()
        self._reported_at = float("-inf")
        self._title = ""
        self._fraction = 0.0

    def reach(self, name: str, part: float = 0.0) -> None:
        """The step ``name`` is at ``part`` (0.0 to 1.0); those before it are done. Unknown steps are ignored."""
        if name not in self._steps:
            return
        before = 0.0
        for step in self._steps.values():
            if step.name == name:
                break
            before += step.seconds
        self._tell(step.title, (before + step.seconds * min(max(part, 0.0), 1.0)) / self._total)

    def finish(self) -> None:
        """All is done."""
        self._tell("done", 1.0)

    def _tell(self, title: str, fraction: float) -> None:
        now = self._now()
        fraction = max(fraction, self._fraction)
        if title == self._title and now - self._reported_at < _SECONDS_BETWEEN_REPORTS:
            return
        self._title, self._fraction, self._reported_at = title, fraction, now
        done = fraction * self._total
        pace = (now - self._began_at + _PRIOR_SECONDS) / (done + _PRIOR_SECONDS)
        self._report(Progress(title, fraction, (self._total - done) * pace))


_NEW_PACKAGES = re.compile(r"\d+ upgraded, (\d+) newly installed")


class PackageOutput:
    """Reads what ``mmdebstrap --verbose`` writes. Its two rounds (base system, all else) each tell their number of packages."""

    _MARKS = (
        ("I: running apt-get update", "lists"),
        ("I: downloading packages with apt", "base"),
        ("I: installing remaining packages", "download"),
        ("I: cleaning package lists", "pack"),
        ("I: creating tarball", "pack"),
    )
    # Lines that each package writes once during a step, and how many of them there are.
    _COUNTED: ClassVar[dict[str, tuple[tuple[str, ...], int]]] = {
        "base": (("Get:", "Unpacking ", "Setting up "), 3),
        "download": (("Get:",), 1),
        "install": (("Unpacking ", "Setting up "), 2),
    }

    def __init__(self) -> None:
        self._step = "lists"
        self._packages = 0
        self._seen = 0

    def read(self, line: str) -> tuple[str, float] | None:
        """The step and its part that ``line`` tells of, or None when it tells nothing."""
        for mark, step in self._MARKS:
            if line.startswith(mark):
                self._begin(step)
                return step, 0.0
        if found := _NEW_PACKAGES.match(line):
            self._packages, self._seen = int(found[1]), 0
            return None
        return self._count(line)

    def _count(self, line: str) -> tuple[str, float] | None:
        if self._step == "download" and line.startswith("Unpacking "):
            self._begin("install")
        marks, times = self._COUNTED.get(self._step, ((), 1))
        if not self._packages or not line.startswith(marks):
            return None
        self._seen += 1
        return self._step, min(self._seen / (times * self._packages), 1.0)

    def _begin(self, step: str) -> None:
        self._step, self._seen = step, 0
