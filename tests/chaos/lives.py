"""People at a site under attack: each desktop is led through a whole life, one wish after another, as a patient client does.

What became of it is read from outside, in the database.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from yunzhuo.phoenix.common.errors import Conflict, NotFound, Unavailable
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import Services
from yunzhuo.services.desktops import Accepted
from yunzhuo.services.rules.lifecycle import Action

log = get_logger()
# Each leaves a desktop running, as it was found.
CHAPTERS = (
    (Action.STOP, Action.START),
    (Action.REBOOT,),
    (Action.SUSPEND, Action.RESUME),
    (Action.SNAPSHOT, Action.ROLL_BACK, Action.DELETE_SNAPSHOT),
    (Action.REBUILD,),
    (Action.RESIZE,),
)
ENDS = (Action.DELETE, Action.FORCE_DELETE)
SUCCEEDED, ENDED = "succeeded", {"succeeded", "failed", "cancelled"}
_REFUSALS_BORNE = 40
_PAUSE_SECONDS = 0.5


@dataclass
class Life:
    """One desktop's. ``wishes`` are those still to come; ``operation_id`` is the one that is waited for."""

    number: int
    wishes: list[Action]
    desktop_id: str = ""
    operation_id: str = ""
    refusals: int = 0
    not_before: float = 0
    made: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Nothing is wished for any more, and nothing is waited for."""
        return not self.wishes and not self.operation_id


@dataclass(frozen=True)
class Ended:
    """An operation that ended."""

    id: str
    desktop_id: str
    action: str
    status: str
    error_code: str | None


class People:
    """Everybody's wishes."""

    def __init__(self, services: Services, actor: Actor, engine: Engine, chance: random.Random, number: int) -> None:
        self._services = services
        self._actor = actor
        self._engine = engine
        self._chance = chance
        self._image = services.catalog.images(actor)[0].id
        self._small, self._medium = (flavor.id for flavor in services.catalog.flavors(actor)[:2])
        self.lives: list[Life] = []
        self.skipped: Counter[str] = Counter()
        self.unavailable = 0
        self.add(number)

    def add(self, number: int) -> None:
        """So many more desktops."""
        for each in range(len(self.lives), len(self.lives) + number):
            chapters = self._chance.sample(CHAPTERS, 3)
            middle = [action for chapter in chapters for action in chapter]
            self.lives.append(Life(each, [Action.CREATE, *middle, self._chance.choice(ENDS)]))

    def end_all(self) -> None:
        """Whatever else was wished for: be deleted next."""
        for life in self.lives:
            if life.wishes and life.desktop_id:
                life.wishes = [life.wishes[-1]]

    def go_on(self) -> None:
        """Look at all desktops once, and wish for what comes next where nothing is going on."""
        try:
            latest = self._latest()
        except DBAPIError:
            time.sleep(0.2)
            return
        now = time.monotonic()
        for life in self.lives:
            if life.is_over or now < life.not_before:
                continue
            operation = latest.get(life.desktop_id)
            if operation is not None and operation.id not in life.made:
                life.made.append(operation.id)  # its wish was written down, and the answer got lost
                life.wishes, life.operation_id = life.wishes[1:], operation.id
            if life.operation_id:
                if operation is None or operation.status not in ENDED:
                    continue
                life.operation_id = ""
            if life.wishes:
                self._wish(life)

    def ended(self) -> list[Ended]:
        """Every operation that ended so far, as the database has it."""
        query = text("SELECT id, desktop_id, action, status, error_code FROM operations WHERE ended_at IS NOT NULL")
        with self._engine.connect() as connection:
            return [Ended(*row) for row in connection.execute(query)]

    def unended(self) -> list[str]:
        """Operations that go on, for a person to look at."""
        query = text(
            "SELECT id, action, status, position, attempts, due_at, lease_owner, lease_expires_at, deadline_at"
            " FROM operations WHERE ended_at IS NULL"
        )
        with self._engine.connect() as connection:
            return [" ".join(map(str, row)) for row in connection.execute(query)]

    def _latest(self) -> Mapping[str, Ended]:
        query = text(
            "SELECT o.id, d.id, o.action, o.status, o.error_code FROM desktops d JOIN operations o ON o.id = d.operation_id"
        )
        with self._engine.connect() as connection:
            return {row[1]: Ended(*row) for row in connection.execute(query)}

    def _wish(self, life: Life) -> None:
        action = life.wishes[0]
        try:
            accepted = self._ways[action](self, life)
        except Unavailable:
            self.unavailable += 1
            life.not_before = time.monotonic() + _PAUSE_SECONDS
            return
        except (Conflict, NotFound) as refusal:
            self._refused(life, action, refusal.code)
            return
        life.wishes, life.refusals = life.wishes[1:], 0
        if accepted is not None:
            life.desktop_id, life.operation_id = accepted.desktop.id, accepted.operation.id
            life.made.append(life.operation_id)

    def _refused(self, life: Life, action: Action, code: str) -> None:
        """What a lying cloud makes of a desktop is put right within seconds: so a person tries again, and then lets it be."""
        life.refusals += 1
        life.not_before = time.monotonic() + _PAUSE_SECONDS
        if life.refusals > _REFUSALS_BORNE:
            self.skipped[f"{action}: {code}"] += 1
            life.wishes, life.refusals = life.wishes[1:], 0

    def _create(self, life: Life) -> Accepted:
        return self._services.desktops.request(
            self._actor, image_id=self._image, flavor_id=self._small, idempotency_key=f"life-{life.number}"
        )

    def _snapshot(self, life: Life) -> Accepted:
        return self._services.snapshots.create(self._actor, life.desktop_id, f"Snapshot {self._chance.random()}")

    def _roll_back(self, life: Life) -> Accepted | None:
        kept = self._services.snapshots.list(self._actor, life.desktop_id).items
        return self._services.snapshots.roll_back(self._actor, life.desktop_id, kept[0].id) if kept else None

    def _delete_snapshot(self, life: Life) -> Accepted | None:
        kept = self._services.snapshots.list(self._actor, life.desktop_id).items
        return self._services.snapshots.delete(self._actor, life.desktop_id, kept[0].id) if kept else None

    def _act(self, life: Life) -> Accepted:
        return self._services.desktops.act(self._actor, life.desktop_id, life.wishes[0])

    _ways: Mapping[Action, "Callable[[People, Life], Accepted | None]"] = {
        **dict.fromkeys((Action.STOP, Action.START, Action.REBOOT, Action.SUSPEND, Action.RESUME, *ENDS), _act),
        Action.CREATE: _create,
        Action.SNAPSHOT: _snapshot,
        Action.ROLL_BACK: _roll_back,
        Action.DELETE_SNAPSHOT: _delete_snapshot,
        Action.REBUILD: lambda self, life: self._services.desktops.rebuild(self._actor, life.desktop_id),
        Action.RESIZE: lambda self, life: self._services.desktops.resize(self._actor, life.desktop_id, self._medium),
    }
