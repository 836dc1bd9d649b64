"""An organization's pools, schedules and quotas as one document: told, compared with another one, and brought to it."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict
from yunzhuo.phoenix.db.models import Organization, Pool, Quota, Schedule
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services import configuration_document, configuration_state
from yunzhuo.services.access import Actor, require, scope_of
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.configuration_document import Mistakes
from yunzhuo.services.configuration_state import SUBJECTS, Present
from yunzhuo.services.configuration_wanted import DEFAULTS, WantedReader, pool_wish, schedule_wish
from yunzhuo.services.pools import PoolService
from yunzhuo.services.quotas import QuotaService
from yunzhuo.services.rules import configuration
from yunzhuo.services.rules.configuration import Fields, Key, Piece, Step, StepKind
from yunzhuo.services.rules.quota import Resource, Subject
from yunzhuo.services.schedules import ScheduleService
from yunzhuo.services.stated import needs

__all__ = ["ConfigurationService", "Piece", "Plan", "Step", "StepKind"]

# What one needs to see of each kind, be it to tell it or to compare it.
_SEEING = {Piece.POOL: "pool:read", Piece.SCHEDULE: "schedule:read", Piece.QUOTA: "quota:change"}
_SECTIONS = {Piece.POOL: "pools", Piece.SCHEDULE: "schedules", Piece.QUOTA: "quotas"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done for a document to be true. ``fingerprint`` tells it from every other plan."""

    name: str
    steps: tuple[Step, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _Prepared:
    plan: Plan
    present: Present
    after: configuration.State


class ConfigurationService:
    """Tells and changes pools, schedules and quotas together. Each needs the right that it needs by hand."""

    def __init__(
        self, db: Database, pools: PoolService, schedules: ScheduleService, quotas: QuotaService, audit: AuditLog, clock: Clock
    ) -> None:
        self._db = db
        self._pools = pools
        self._schedules = schedules
        self._quotas = quotas
        self._audit = audit
        self._clock = clock

    @needs(*_SEEING.values())
    def export(self, actor: Actor) -> Mapping[str, Any]:
        """All that the actor may see, as a document; to apply it changes nothing."""
        kinds = {kind for kind, verb in _SEEING.items() if scope_of(actor, verb) is not None}
        with self._db.reading() as tx:
            state = configuration_state.read(tx, actor, kinds).state
        found: dict[str, Any] = {"name": configuration_document.DEFAULT_NAME}
        for kind in (Piece.POOL, Piece.SCHEDULE):
            keys = sorted((key for key in state if key.kind is kind), key=lambda key: key.name)
            found[_SECTIONS[kind]] = [_entry(key, state[key]) for key in keys]
        quotas: dict[tuple[str, str], dict[str, Any]] = {}
        for key in sorted((key for key in state if key.kind is Piece.QUOTA), key=_as_told):
            whose = {key.of: True if key.of == SUBJECTS[Subject.ORGANIZATION] else key.name}
            quotas.setdefault((key.of, key.name), whose)[key.resource] = state[key]["most"]
        found["quotas"] = list(quotas.values())
        return {section: entries for section, entries in found.items() if entries}

    @needs(*_SEEING.values())
    def plan(self, actor: Actor, document: Mapping[str, Any], *, prune: bool = False) -> Plan:
        """What applying a document would do, and that nothing is done. ``prune``: what an earlier apply of the document of
        this name made, and it mentions no more, goes.

        Raises InvalidInput for all that is wrong with the document at once, each at its place (``pools.0.capacity``).
        """
        with self._db.reading() as tx:
            return self._prepared(tx, actor, document, prune=prune, locked=False).plan

    @needs(*_SEEING.values())
    @retried_when_contended
    def apply(self, actor: Actor, document: Mapping[str, Any], fingerprint: str, *, prune: bool = False) -> Plan:
        """Do what :meth:`plan` told, all of it or nothing; answers what was done.

        Raises as :meth:`plan`, what each piece raises when it is done by hand, and Conflict when what has to be done is not
        what ``fingerprint`` says any more.
        """
        try:
            with self._db.transaction() as tx:
                prepared = self._prepared(tx, actor, document, prune=prune, locked=True)
                if prepared.plan.fingerprint != fingerprint:
                    raise _moved()
                for step in prepared.plan.steps:
                    _CARRY_OUT[step.key.kind](self, tx, actor, step, prepared)
                return prepared.plan
        except IntegrityError as error:  # somebody else made one of this name at the same moment
            raise _moved() from error

    def _prepared(self, tx: Session, actor: Actor, document: Mapping[str, Any], *, prune: bool, locked: bool) -> _Prepared:
        mistakes = Mistakes()
        entries = configuration_document.read(document, mistakes)
        kinds = {kind for kind, section in _SECTIONS.items() if prune or document.get(section)}
        for kind in kinds:
            require(actor, _SEEING[kind])
        present = configuration_state.read(tx, actor, kinds | _beside(kinds), locked=locked)
        reader = WantedReader(tx, actor, present, mistakes, self._clock.now())
        reader.read(entries, tx.get_one(Organization, actor.organization_id).name)
        state = {key: fields for key, fields in present.state.items() if key.kind in kinds}
        made = {key for key, fields in state.items() if fields["document"] == entries.name} if prune else set()
        steps = configuration.plan(state, reader.wanted, DEFAULTS, made)
        after = configuration.after(present.state, steps)
        for key, place in reader.places.items():
            pool = after.get(key, {}).get("pool")
            if pool is not None and Key(Piece.POOL, str(pool)) not in after:
                mistakes.add(f"{place}.pool", f"The pool {pool} is one that would be removed.")
        mistakes.raise_if_any()
        ids = {f"{step.key}": present.ids[step.key] for step in steps if step.key in present.ids}
        plan = Plan(entries.name, tuple(steps), configuration.fingerprint(steps, reader.meant | ids))
        return _Prepared(plan, present, after)

    def _pool(self, tx: Transaction, actor: Actor, step: Step, prepared: _Prepared) -> None:
        key, present = step.key, prepared.present
        if step.deed is StepKind.REMOVE:
            self._pools.delete_within(tx, actor, present.ids[key])
            return
        after = prepared.after[key]
        wish = pool_wish(key, after, present)
        if step.deed is StepKind.ADD:
            pool_id = self._pools.create_within(tx, actor, wish, document=prepared.plan.name).id
        else:
            pool_id = present.ids[key]
            if {each.field for each in step.differences} - {"members", "document"}:
                self._pools.change_within(tx, actor, pool_id, lambda _present: wish)
            tx.get_one(Pool, pool_id).document = _text(after["document"])
        members = next((each for each in step.differences if each.field == "members"), None)
        before, wanted = (_names(members.before), _names(members.after)) if members else (set(), set())
        for name in sorted(wanted - before):
            self._pools.put_member_within(tx, actor, pool_id, _holder(present, name))
        for name in sorted(before - wanted):
            self._pools.drop_member_within(tx, actor, pool_id, _holder(present, name))

    def _schedule(self, tx: Transaction, actor: Actor, step: Step, prepared: _Prepared) -> None:
        key, present = step.key, prepared.present
        if step.deed is StepKind.REMOVE:
            self._schedules.delete_within(tx, actor, present.ids[key])
            return
        after = prepared.after[key]
        wish = schedule_wish(key, after, _subject_id(tx, actor, present, after))
        if step.deed is StepKind.ADD:
            schedule_id = self._schedules.create_within(tx, actor, wish, document=prepared.plan.name).id
        else:
            schedule_id = present.ids[key]
            if {each.field for each in step.differences} - {"paused", "document"}:
                self._schedules.change_within(tx, actor, schedule_id, lambda _present: wish)
            tx.get_one(Schedule, schedule_id).document = _text(after["document"])
        if any(each.field == "paused" and (each.before or each.after) for each in step.differences):
            self._schedules.rest_within(tx, actor, schedule_id, is_paused=bool(after.get("paused")))

    def _quota(self, tx: Transaction, actor: Actor, step: Step, prepared: _Prepared) -> None:
        key, present = step.key, prepared.present
        subject = next(kind for kind, word in SUBJECTS.items() if word == key.of)
        subject_id = {
            Subject.ORGANIZATION: lambda: actor.organization_id,
            Subject.GROUP: lambda: present.groups.id_of(key.name),
            Subject.USER: lambda: present.people.id_of(key.name),
        }[subject]()
        resource, name = Resource(key.resource), prepared.plan.name
        most = None if step.deed is StepKind.REMOVE else _number(prepared.after[key]["most"])
        self._quotas.put_within(tx, actor, subject, subject_id, resource, most, document=name)
        if step.deed is StepKind.CHANGE:
            tx.get_one(Quota, (subject, subject_id, resource)).document = _text(prepared.after[key]["document"])


_Carry = Callable[[ConfigurationService, Transaction, Actor, Step, _Prepared], None]
_CARRY_OUT: Mapping[Piece, _Carry] = {
    Piece.POOL: ConfigurationService._pool,
    Piece.SCHEDULE: ConfigurationService._schedule,
    Piece.QUOTA: ConfigurationService._quota,
}


def _beside(kinds: Set[Piece]) -> Set[Piece]:
    """A schedule names pools that the document may say nothing of."""
    return {Piece.POOL} if Piece.SCHEDULE in kinds else set()


def _entry(key: Key, fields: Fields) -> dict[str, Any]:
    """One pool or schedule as a document has it."""
    told: dict[str, Any] = {"name": key.name}
    for name, value in fields.items():
        if name in ("release_after_minutes", "goal_seconds"):
            told[name] = value or 0
        elif value is not None and name != "document":
            told[name] = list(value) if isinstance(value, tuple) else value
    return told


def _as_told(key: Key) -> tuple[int, str, int]:
    return list(SUBJECTS.values()).index(key.of), key.name, list(Resource).index(Resource(key.resource))


def _holder(present: Present, name: str) -> str:
    return present.groups.find(name) or present.people.id_of(name)


def _subject_id(tx: Session, actor: Actor, present: Present, fields: Fields) -> str:
    """Whose desktops a schedule is about; a pool may have been made in this very transaction. Empty: it is gone."""
    if fields.get("pool") is not None:
        is_it = (Pool.organization_id == actor.organization_id, Pool.name == fields["pool"])
        return tx.scalar(select(Pool.id).where(*is_it)) or ""
    return present.groups.id_of(str(fields["group"])) if fields.get("group") is not None else ""


def _names(value: configuration.Value) -> set[str]:
    return set(value) if isinstance(value, tuple) else set()


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _number(value: object) -> int:
    return int(str(value))


def _moved() -> Conflict:
    return Conflict("plan_moved", "Things have changed since this difference was shown. Please look at it again.")
