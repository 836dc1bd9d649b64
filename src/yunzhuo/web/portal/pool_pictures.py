"""What a pool's page draws: the curve of its day and the bars of its times, as shapes for the template and in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import gettext, lazy_gettext, ngettext
from flask_babel.speaklater import LazyString

from yunzhuo.services.pool_history import PoolDay, PoolTimes, Sample
from yunzhuo.services.rules.pool_times import LONGEST_GAP, SAMPLE_EVERY, Spread, WaitPhase

WIDTH, HEIGHT = 960.0, 160.0
_HOURS_BETWEEN_MARKS = 6
_PARTS = ("used", "ready", "coming")
_PHASES: dict[WaitPhase, LazyString] = {
    WaitPhase.QUEUE: lazy_gettext("Waiting for a turn"),
    WaitPhase.BUILD: lazy_gettext("Making the virtual machine"),
    WaitPhase.BOOT: lazy_gettext("Starting it"),
    WaitPhase.READY: lazy_gettext("The system inside"),
    WaitPhase.PICTURE: lazy_gettext("Opening the screen"),
}


@dataclass(frozen=True, slots=True)
class Area:
    """One part of the curve: ``name`` is how it looks, ``path`` its outline."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An hour of the day: where it stands, in drawing units and in percent, and what it is called."""

    x: float
    percent: float
    label: str


@dataclass(frozen=True, slots=True)
class HourRow:
    """An hour as a row of the table: the most in use, the fewest ready, the most being built."""

    label: str
    in_use: int
    ready: int
    coming: int


@dataclass(frozen=True, slots=True)
class DayPicture:
    """The day as areas over each other, the lines of its hours and of the capacity, a sentence, and a table."""

    areas: Sequence[Area]
    marks: Sequence[Mark]
    capacity_y: float
    top: int
    summary: str
    rows: Sequence[HourRow]


@dataclass(frozen=True, slots=True)
class Bar:
    """One phase: lengths in percent of the longest there is; ``is_late``: 95 % are not within the goal."""

    words: str
    median_percent: float
    high_percent: float
    spread: Spread
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class TimesPicture:
    """The bars, where the goal stands (None: there is none, or no bar), and what is to be said of it."""

    phases: Sequence[Bar]
    totals: Sequence[Bar]
    goal_percent: float | None
    goal_words: str | None


def day_picture(day: PoolDay) -> DayPicture:
    """The curve of a pool's day."""
    top = max([day.capacity, *(each.in_use + each.ready + each.coming for each in day.samples)])
    zone = ZoneInfo(day.time_zone)
    return DayPicture(
        areas=[Area(name, _outline(day, name, top)) for name in _PARTS],
        marks=_marks(day, zone),
        capacity_y=round(HEIGHT - HEIGHT * day.capacity / top, 1),
        top=top,
        summary=_summary(day.samples, zone),
        rows=_rows(day.samples, zone),
    )


def times_picture(times: PoolTimes) -> TimesPicture:
    """The bars of a pool's times."""
    named = [(str(words), times.phases.get(phase)) for phase, words in _PHASES.items()]
    totals = [(gettext("Made altogether"), times.making), (gettext("What people waited"), times.waiting)]
    longest = max([times.goal_seconds or 0.0, *(each.high for _, each in (*named, *totals) if each is not None)]) or 1.0
    has_any = any(each is not None for _, each in (*named, *totals))
    goal = times.goal_seconds
    return TimesPicture(
        phases=[_bar(words, each, longest) for words, each in named if each is not None],
        totals=[_bar(words, each, longest, goal) for words, each in totals if each is not None],
        goal_percent=round(100 * goal / longest, 1) if goal is not None and has_any else None,
        goal_words=_goal_words(times),
    )


def seconds(value: float) -> str:
    """A time as people read it."""
    if value < 10:  # noqa: PLR2004 # below that tenths tell something
        return str(gettext("%(seconds)s s", seconds=f"{value:.1f}"))
    return str(gettext("%(seconds)s s", seconds=f"{value:.0f}"))


def _outline(day: PoolDay, name: str, top: int) -> str:
    """The outline of a part on top of those below it, in steps; where nobody looked there is none."""
    pieces = []
    for run in _runs(day.samples):
        ends = [*(each.at for each in run[1:]), min(run[-1].at + SAMPLE_EVERY, day.ends_at)]
        lower, upper = [], []
        for sample, end in zip(run, ends, strict=True):
            below, above = _heights(sample, name)
            for at in (sample.at, end):
                x = _x(day, at)
                upper.append(f"{x} {round(HEIGHT - HEIGHT * above / top, 1)}")
                lower.append(f"{x} {round(HEIGHT - HEIGHT * below / top, 1)}")
        pieces.append(f"M{' L'.join([*upper, *reversed(lower)])}Z")
    return "".join(pieces)


def _heights(sample: Sample, name: str) -> tuple[int, int]:
    values = (sample.in_use, sample.ready, sample.coming)
    part = _PARTS.index(name)
    return sum(values[:part]), sum(values[: part + 1])


def _runs(samples: Sequence[Sample]) -> Sequence[Sequence[Sample]]:
    """Samples that follow each other without a gap."""
    runs: list[list[Sample]] = []
    for sample in samples:
        if runs and sample.at - runs[-1][-1].at <= LONGEST_GAP:
            runs[-1].append(sample)
        else:
            runs.append([sample])
    return runs


def _x(day: PoolDay, at: datetime) -> float:
    return round(WIDTH * ((at - day.begins_at) / (day.ends_at - day.begins_at)), 1)


def _marks(day: PoolDay, zone: ZoneInfo) -> Sequence[Mark]:
    """Every sixth hour inside the day, where the clocks show it."""
    found, at = [], day.begins_at + timedelta(hours=1)
    while at < day.ends_at:
        local = at.astimezone(zone)
        if local.minute == 0 and local.hour % _HOURS_BETWEEN_MARKS == 0:
            x = _x(day, at)
            found.append(Mark(x, round(100 * x / WIDTH, 2), local.strftime("%H:%M")))
        at += timedelta(minutes=15)
    return found


def _summary(samples: Sequence[Sample], zone: ZoneInfo) -> str:
    if not samples:
        return str(gettext("Nothing was seen of this day yet; the first point comes within five minutes."))
    most, fewest = max(samples, key=lambda each: each.in_use), min(samples, key=lambda each: each.ready)
    return str(
        gettext(
            "Most in use: %(most)s at %(most_at)s. Fewest ready: %(fewest)s at %(fewest_at)s.",
            most=most.in_use,
            most_at=most.at.astimezone(zone).strftime("%H:%M"),
            fewest=fewest.ready,
            fewest_at=fewest.at.astimezone(zone).strftime("%H:%M"),
        )
    )


def _rows(samples: Sequence[Sample], zone: ZoneInfo) -> Sequence[HourRow]:
    hours: dict[datetime, list[Sample]] = {}
    for sample in samples:
        hours.setdefault(sample.at.replace(minute=0, second=0, microsecond=0), []).append(sample)
    return [
        HourRow(
            label=hour.astimezone(zone).strftime("%H:%M"),
            in_use=max(each.in_use for each in found),
            ready=min(each.ready for each in found),
            coming=max(each.coming for each in found),
        )
        for hour, found in hours.items()
    ]


def _bar(words: str, spread: Spread, longest: float, goal: float | None = None) -> Bar:
    return Bar(
        words=words,
        median_percent=round(100 * spread.median / longest, 1),
        high_percent=round(100 * spread.high / longest, 1),
        spread=spread,
        is_late=goal is not None and spread.high > goal,
    )


def _goal_words(times: PoolTimes) -> str | None:
    if times.goal_seconds is None:
        return None
    goal = ngettext("The goal is %(num)s second.", "The goal is %(num)s seconds.", times.goal_seconds)
    if times.within_goal is None:
        return str(goal)
    share = gettext(
        "%(percent)s %% of the latest people were at their desktop by then.", percent=f"{100 * times.within_goal:.0f}"
    )
    return f"{goal} {share}"
