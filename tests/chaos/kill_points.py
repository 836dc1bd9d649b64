"""Every moment at which a worker is to be killed: before, inside and after each step of each kind of operation.

Whoever takes a point dies there. The points are files, so that any process can take one and no two the same.
"""

import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from yunzhuo.services.rules.lifecycle import ANEW, PLANS, Action, Step, Wanted, with_address
from yunzhuo.services.rules.personal_disks import with_disk

# What a step asks the cloud for, which is the call a worker is killed in. One that asks for nothing is not here.
CALLS = {
    Step.SERVER: "servers.create",
    Step.START: "servers.start",
    Step.STOP: "servers.stop",
    Step.REBOOT: "servers.reboot",
    Step.SUSPEND: "servers.suspend",
    Step.RESUME: "servers.resume",
    Step.REBUILD: "servers.rebuild",
    Step.RESIZE: "servers.resize",
    Step.SNAPSHOT: "servers.snapshot",
    Step.ROLL_BACK: "servers.roll_back",
    Step.DROP_SNAPSHOT: "servers.delete_snapshot",
    Step.RUNNING: "servers.get",
    Step.READY: "guest.ready",
    Step.STOPPED: "servers.get",
    Step.SUSPENDED: "servers.get",
    Step.REBUILT: "servers.get",
    Step.RESIZED: "servers.get",
    Step.KEPT: "servers.snapshots",
    Step.ROLLED_BACK: "servers.get",
    Step.DROPPED: "servers.snapshots",
    Step.REMOVE: "servers.delete",
    Step.GONE: "servers.get",
    Step.LEAVE: "servers.delete",
    Step.GIVE_UP: "servers.delete",
    Step.GIVEN_UP: "servers.get",
    Step.FETCH_DISK: "volumes.detach",
    Step.CONNECT_DISK: "volumes.attach",
    Step.DISCONNECT_DISK: "volumes.detach",
    Step.RESTORE_DISK: "volumes.restore",
    Step.MAKE_ADDRESS: "addresses.create",
    Step.CONNECT_ADDRESS: "addresses.associate",
    Step.RELEASE_ADDRESS: "addresses.dissociate",
}
_DONE_BY_THE_WISH = {Step.RESERVE}


class Moment(StrEnum):
    """When."""

    BEFORE = "before"  # the lease is taken, the cloud was not asked
    INSIDE = "inside"  # the cloud has done it and has not answered; where nothing is asked: the outcome is not committed
    AFTER = "after"  # the outcome is committed, nobody was told


@dataclass(frozen=True, order=True)
class Point:
    """One moment of one step."""

    action: str
    step: str
    moment: str


def all_points() -> list[Point]:
    """Every one there is: of a desktop that has its owner's personal disk, which every change then is about, and an address;
    and of one whose first host does not make it."""
    return [
        Point(action, step, moment)
        for action, plan in PLANS.items()
        for steps in [with_disk(action, plan, has_disk=True, is_here=True, ends=Wanted.RUNNING)]
        for step in dict.fromkeys((*with_address(action, steps, has_address=True), *_of_more_tries(action)))
        if step not in _DONE_BY_THE_WISH
        for moment in Moment
    ]


def _of_more_tries(action: Action) -> Sequence[Step]:
    return ANEW if action is Action.CREATE else ()


def choose(chance: random.Random, kills: int) -> list[Point]:
    """``kills`` points, each as often as any other, give or take one."""
    points = all_points()
    whole, rest = divmod(kills, len(points))
    return points * whole + chance.sample(points, rest)


class KillPoints:
    """Points that are still to be taken, in a folder; and which of those that were taken killed somebody."""

    def __init__(self, folder: Path) -> None:
        self._waiting, self._taken = folder / "waiting", folder / "taken"

    def lay_out(self, points: Iterable[Point]) -> None:
        """Put the points there."""
        self._waiting.mkdir(parents=True)
        self._taken.mkdir()
        for number, point in enumerate(points):
            (self._waiting / _name(point, number)).touch()

    def waiting(self) -> Counter[Point]:
        """What was not taken yet."""
        return Counter(_point(path) for path in self._waiting.iterdir())

    def taken(self) -> Counter[Point]:
        """What was."""
        return Counter(_point(path) for path in self._taken.iterdir())

    def take(self, point: Point, **note: object) -> bool:
        """Take one of these, if there is one left."""
        prefix = _name(point, None)
        for path in sorted(self._waiting.glob(f"{prefix}*")):
            try:
                path.rename(self._taken / path.name)
            except FileNotFoundError:
                continue
            (self._taken / path.name).write_text(json.dumps(note))
            return True
        return False

    def notes(self) -> Sequence[tuple[Path, Point, dict[str, object]]]:
        """What was noted at those that were taken."""
        return [(path, _point(path), json.loads(path.read_text() or "{}")) for path in self._taken.iterdir()]

    def give_back(self, path: Path) -> None:
        """That one killed nobody."""
        path.write_text("")
        path.rename(self._waiting / path.name)


def table(taken: Counter[Point]) -> str:
    """How often each moment of each step was killed, as text."""
    lines = [f"{'operation':<16} {'step':<14} {'before':>7} {'inside':>7} {'after':>7}"]
    steps = dict.fromkeys((point.action, point.step) for point in all_points())
    for action, step in steps:
        counts = [taken[Point(action, step, moment)] for moment in Moment]
        lines.append(f"{action:<16} {step:<14} {counts[0]:>7} {counts[1]:>7} {counts[2]:>7}")
    return "\n".join(lines)


def _name(point: Point, number: int | None) -> str:
    return f"{point.action}.{point.step}.{point.moment}." + ("" if number is None else str(number))


def _point(path: Path) -> Point:
    return Point(*path.name.split(".")[:3])
