"""People at a site under attack: each desktop is led through a whole life, one wish after another, as a patient client does.

Half of the desktops are of people with a personal disk, two of each, who bring it from one to the other. What became of it
is read from outside, in the database.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tests.support.installation import PASSWORD
from yunzhuo.phoenix.common.errors import Conflict, NotFound, Refused, Unavailable
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.assembly import Services
from yunzhuo.services.desktops import Accepted
from yunzhuo.services.rules.lifecycle import Action

# Each leaves a desktop running, as it was found.
CHAPTERS = (
    (Action.STOP, Action.START),
    (Action.REBOOT,),
    (Action.SUSPEND, Action.RESUME),
    (Action.SNAPSHOT, Action.ROLL_BACK, Action.DELETE_SNAPSHOT),
    (Action.REBUILD,),
    (Action.RESIZE,),
)
DISK_CHAPTERS = ((Action.DISCONNECT_DISK,), (Action.RESTORE_DISK,))
ADDRESS_CHAPTERS = ((Action.ASSIGN_ADDRESS, Action.RELEASE_ADDRESS),)
ENDS = (Action.DELETE, Action.FORCE_DELETE)
SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
ENDED = {SUCCEEDED, FAILED, CANCELLED}
_REFUSALS_BORNE = 40
_PAUSE_SECONDS = 0.5
_AT_ONCE = 8
_WITH_ADDRESS = 0.4  # so many desktops have one when they are deleted
_SHARE = 4  # of so many desktops two are of one person with a disk


@dataclass(frozen=True)
class Person:
    """Whoever wishes. Of their personal disk: its id, the cloud's id of it, and that of its snapshot; empty: they have none."""

    actor: Actor
    disk_id: str = ""
    volume_id: str = ""
    snapshot_id: str = ""


@dataclass
class Life:
    """One desktop's. ``wishes`` are those still to come; ``operation_id`` is the one that is waited for."""

    number: int
    person: Person
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
    error_message: str | None


class People:
    """Everybody's wishes. Everybody comes before anything goes wrong."""

    def __init__(self, services: Services, actor: Actor, engine: Engine, chance: random.Random, number: int) -> None:
        self._services = services
        self._engine = engine
        self._chance = chance
        self._without_disk = Person(actor)
        self._image = services.catalog.images(actor)[0].id
        self._small, self._medium = (flavor.id for flavor in services.catalog.flavors(actor)[:2])
        self.with_disk = [self._arrive(each) for each in range(-(-number // _SHARE))]
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self.lives: list[Life] = []
        self._by_desktop: dict[str, Life] = {}
        self.skipped: Counter[str] = Counter()
        self.unavailable = 0
        self.add(number)

    def add(self, number: int) -> None:
        """So many more desktops."""
        for each in range(len(self.lives), len(self.lives) + number):
            has_disk = each % _SHARE < 2
            person = self.with_disk[each // _SHARE % len(self.with_disk)] if has_disk else self._without_disk
            chapters = self._chance.sample((CHAPTERS + DISK_CHAPTERS if has_disk else CHAPTERS) + ADDRESS_CHAPTERS, 3)
            middle = [action for chapter in chapters for action in self._told(chapter, has_disk=has_disk)]
            if self._chance.random() < _WITH_ADDRESS:
                middle.append(Action.ASSIGN_ADDRESS)
            self.lives.append(Life(each, person, [Action.CREATE, *middle, self._chance.choice(ENDS)]))

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
        wishing = [life for life in self.lives if self._has_a_wish(life, latest.get(life.desktop_id), now)]
        # A part of them at a time: so those who look on are not kept from it by a database or a broker that is away.
        self._chance.shuffle(wishing)
        for life, answer in zip(wishing, self._pool.map(self._ask, wishing[: 2 * _AT_ONCE]), strict=False):
            self._hear(life, answer)

    def close(self) -> None:
        """Nobody wishes for anything any more."""
        self._pool.shutdown()

    def ended(self) -> list[Ended]:
        """Every operation that ended so far, as the database has it."""
        query = text(
            "SELECT id, desktop_id, action, status, error_code, error_message FROM operations WHERE ended_at IS NOT NULL"
        )
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

    def _arrive(self, number: int) -> Person:
        """One more person, with a disk, and a snapshot of it."""
        actor = self._services.accounts.add(f"chaos-{number}@school.local", PASSWORD, Role.USER).actor()
        disks = self._services.personal_disks
        disks.create(actor)
        (snapshot,) = disks.take_snapshot(actor, "As it was").snapshots
        query = text("SELECT id, volume_id FROM personal_disks WHERE owner_id = :owner")
        with self._engine.connect() as connection:
            disk_id, volume_id = connection.execute(query, {"owner": actor.user_id}).one()
        return Person(actor, disk_id, volume_id, snapshot.id)

    def _told(self, chapter: tuple[Action, ...], *, has_disk: bool) -> Iterator[Action]:
        """A chapter as it goes for somebody with a disk: mostly they bring it there first."""
        if has_disk and self._chance.random() < 0.7:
            yield Action.CONNECT_DISK
        yield from chapter

    @staticmethod
    def _take_note(life: Life, operation: Ended) -> None:
        """Of an operation that nobody told us of: our wish, whose answer got lost, or that a disk is brought back."""
        life.operation_id = operation.id
        if life.wishes and operation.action == life.wishes[0]:
            life.made.append(operation.id)
            life.wishes = life.wishes[1:]

    def _latest(self) -> Mapping[str, Ended]:
        query = text(
            "SELECT o.id, d.id, o.action, o.status, o.error_code, o.error_message"
            " FROM desktops d JOIN operations o ON o.id = d.operation_id"
        )
        with self._engine.connect() as connection:
            return {row[1]: Ended(*row) for row in connection.execute(query)}

    def _has_a_wish(self, life: Life, operation: Ended | None, now: float) -> bool:
        if life.is_over or now < life.not_before:
            return False
        if operation is not None and operation.id not in life.made:
            self._take_note(life, operation)
        if life.operation_id:
            if operation is None or operation.id != life.operation_id or operation.status not in ENDED:
                return False
            life.operation_id = ""
            if operation.status == FAILED and operation.action in ENDS and not life.wishes:
                life.wishes = [Action(operation.action)]  # whoever wants to be rid of a desktop asks again
        return bool(life.wishes)

    def _ask(self, life: Life) -> Accepted | Refused | Unavailable | None:
        """In one of several threads: the answer is heard in the one that keeps the books."""
        try:
            return self._ways[life.wishes[0]](self, life)
        except (Unavailable, Conflict, NotFound) as answer:
            return answer

    def _hear(self, life: Life, answer: Accepted | Refused | Unavailable | None) -> None:
        action = life.wishes[0]
        if isinstance(answer, Unavailable):
            self.unavailable += 1
            life.not_before = time.monotonic() + _PAUSE_SECONDS
            return
        if isinstance(answer, Refused):
            self._refused(life, action, answer.code)
            return
        life.wishes, life.refusals = life.wishes[1:], 0
        if answer is None:
            return
        if action is Action.CREATE:
            life.desktop_id = answer.desktop.id
            self._by_desktop[life.desktop_id] = life
        # The disk may have moved to the person's other desktop meanwhile: then that one changes.
        changes = self._by_desktop[answer.desktop.id]
        changes.operation_id = answer.operation.id
        changes.made.append(answer.operation.id)

    def _refused(self, life: Life, action: Action, code: str) -> None:
        """What a lying cloud makes of a desktop is put right within seconds: so a person tries again, and then lets it be."""
        life.refusals += 1
        life.not_before = time.monotonic() + _PAUSE_SECONDS
        if life.refusals > _REFUSALS_BORNE:
            self.skipped[f"{action}: {code}"] += 1
            life.wishes, life.refusals = life.wishes[1:], 0

    def _create(self, life: Life) -> Accepted:
        return self._services.desktops.request(
            life.person.actor, image_id=self._image, flavor_id=self._small, idempotency_key=f"life-{life.number}"
        )

    def _snapshot(self, life: Life) -> Accepted:
        name = f"Snapshot {self._chance.random()}"
        return self._services.snapshots.create(life.person.actor, life.desktop_id, name)

    def _roll_back(self, life: Life) -> Accepted | None:
        kept = self._services.snapshots.list(life.person.actor, life.desktop_id).items
        if not kept:
            return None
        return self._services.snapshots.roll_back(life.person.actor, life.desktop_id, kept[0].id)

    def _delete_snapshot(self, life: Life) -> Accepted | None:
        kept = self._services.snapshots.list(life.person.actor, life.desktop_id).items
        return self._services.snapshots.delete(life.person.actor, life.desktop_id, kept[0].id) if kept else None

    def _act(self, life: Life) -> Accepted:
        # To leave things behind is for administrators to say.
        person = self._without_disk if life.wishes[0] is Action.FORCE_DELETE else life.person
        return self._services.desktops.act(person.actor, life.desktop_id, life.wishes[0])

    def _rebuild(self, life: Life) -> Accepted:
        return self._services.desktops.rebuild(life.person.actor, life.desktop_id)

    def _resize(self, life: Life) -> Accepted:
        return self._services.desktops.resize(life.person.actor, life.desktop_id, self._medium)

    def _connect_disk(self, life: Life) -> Accepted:
        return self._services.personal_disks.connect(life.person.actor, life.desktop_id)

    def _disconnect_disk(self, life: Life) -> Accepted | None:
        return self._services.personal_disks.disconnect(life.person.actor) if self._has_disk(life) else None

    def _restore_disk(self, life: Life) -> Accepted | None:
        if not self._has_disk(life):
            return None
        return self._services.personal_disks.restore(life.person.actor, life.person.snapshot_id)

    def _assign_address(self, life: Life) -> Accepted | None:
        """That is for administrators to say, who see whether it has one: one that a life before had got lost on its way."""
        if self._services.desktops.get(self._without_disk.actor, life.desktop_id).address is not None:
            return None
        return self._services.addresses.assign(self._without_disk.actor, life.desktop_id)

    def _release_address(self, life: Life) -> Accepted | None:
        """What was not assigned well need not be given back."""
        try:
            return self._services.addresses.release(self._without_disk.actor, life.desktop_id)
        except Conflict as refusal:
            if refusal.code == "no_address":
                return None
            raise

    def _has_disk(self, life: Life) -> bool:
        place = self._services.personal_disks.get(life.person.actor).desktop
        return place is not None and place.id == life.desktop_id

    _ways: Mapping[Action, "Callable[[People, Life], Accepted | None]"] = {
        **dict.fromkeys((Action.STOP, Action.START, Action.REBOOT, Action.SUSPEND, Action.RESUME, *ENDS), _act),
        Action.CREATE: _create,
        Action.SNAPSHOT: _snapshot,
        Action.ROLL_BACK: _roll_back,
        Action.DELETE_SNAPSHOT: _delete_snapshot,
        Action.REBUILD: _rebuild,
        Action.RESIZE: _resize,
        Action.CONNECT_DISK: _connect_disk,
        Action.DISCONNECT_DISK: _disconnect_disk,
        Action.RESTORE_DISK: _restore_disk,
        Action.ASSIGN_ADDRESS: _assign_address,
        Action.RELEASE_ADDRESS: _release_address,
    }
