"""What a document wants, beside what there is: its names resolved, its values in form, all mistakes at their places."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services import fitting
from yunzhuo.services.access import Actor
from yunzhuo.services.accounts import folded_email
from yunzhuo.services.configuration_document import NONE, Entries, Mistakes, PoolEntry, QuotaEntry, ScheduleEntry
from yunzhuo.services.configuration_state import Directory, Present
from yunzhuo.services.pool_wishes import PoolWish
from yunzhuo.services.rules import naming, pools, schedules
from yunzhuo.services.rules.configuration import Fields, Key, Piece, Value
from yunzhuo.services.rules.quota import Resource
from yunzhuo.services.rules.schedules import Deed, SubjectKind
from yunzhuo.services.schedule_wishes import ScheduleWish

_NEEDED: Mapping[Piece, tuple[str, ...]] = {Piece.POOL: ("image", "flavor", "capacity"), Piece.SCHEDULE: ("rule", "action")}


def _defaults_of(wish: type) -> dict[str, Value]:
    """What a wish has that says nothing, as far as a document has the same words; it has names in the place of ids."""
    named = [each for each in fields(wish) if not each.name.endswith("_id")]
    return {each.name: each.default for each in named if isinstance(each.default, str | int | bool | None)}


DEFAULTS: Mapping[Piece, Fields] = {
    Piece.POOL: {**_defaults_of(PoolWish), "spares": 0, "hours": (), "network": None, "security_groups": (), "members": ()},
    Piece.SCHEDULE: {**_defaults_of(ScheduleWish), "pool": None, "group": None, "paused": False},
}


class WantedReader:
    """Reads what is wanted out of one document. ``wanted`` is what could be read, ``meant`` the ids that its names mean."""

    def __init__(self, tx: Session, actor: Actor, present: Present, mistakes: Mistakes, now: datetime) -> None:
        self._tx = tx
        self._actor = actor
        self._present = present
        self._mistakes = mistakes
        self._now = now
        self.wanted: dict[Key, Fields | None] = {}
        self.meant: dict[str, str] = {}
        self.places: dict[Key, str] = {}

    def read(self, entries: Entries, organization_name: str) -> None:
        """Read all of it."""
        for place, pool in entries.pools.items():
            if (key := self._key(Piece.POOL, place, pool.name)) is not None:
                self.wanted[key] = self._pool(key, place, pool)
        for place, schedule in entries.schedules.items():
            if (key := self._key(Piece.SCHEDULE, place, schedule.name)) is not None:
                self.wanted[key] = self._schedule(key, place, schedule)
        for place, quota in entries.quotas.items():
            self._quota(place, quota, organization_name)
        for key, said in self.wanted.items():
            made_by = self._present.state.get(key, {"document": None})["document"]
            if said is not None and (key not in self._present.state or made_by not in (None, entries.name)):
                self.wanted[key] = {**said, "document": entries.name}

    def _key(self, kind: Piece, place: str, name: str) -> Key | None:
        """Which one it is; None, and a mistake, when the name is none or was named above."""
        try:
            key = Key(kind, naming.checked_name(name))
        except InvalidInput as error:
            self._mistakes.add_all(place, error)
            return None
        if key in self.places:
            self._mistakes.add(f"{place}.name", f"There is a {kind} {key.name} above already.")
            return None
        self.places[key] = place
        return key

    def _pool(self, key: Key, place: str, entry: PoolEntry) -> Fields:
        said = self._plain(entry, "capacity", "spares", "kind", "time_zone")
        if entry.image is not None:
            said["image"] = self._meant(f"{place}.image", self._present.images, entry.image)
        if entry.flavor is not None:
            said["flavor"] = self._meant(f"{place}.flavor", self._present.flavors, entry.flavor)
        if entry.hours is not None:
            said["hours"] = tuple(entry.hours)
        if entry.release_after_minutes is not None:
            said["release_after_minutes"] = entry.release_after_minutes or None
        if entry.goal_seconds is not None:
            said["goal_seconds"] = entry.goal_seconds or None
        if entry.network is not None:
            is_none = entry.network == NONE
            said["network"] = None if is_none else self._meant(f"{place}.network", self._present.networks, entry.network)
        if entry.security_groups is not None:
            said["security_groups"] = self._security_groups(place, entry.security_groups)
        if entry.members is not None:
            said["members"] = self._members(place, entry.members)
        if not self._is_whole(key, place, said):
            return said
        wish = self._checked(place, lambda: pool_wish(key, self._merged(key, said), self._present).checked())
        if wish is not None and "hours" in said:
            said["hours"] = tuple(wish.hours)
        present = self._present.state.get(key)
        if present is not None and said.get("kind", present["kind"]) != present["kind"]:
            self._mistakes.add(f"{place}.kind", "A pool stays dedicated or floating; make another one.")
        if wish is not None and (present is None or any(said.get(name, present[name]) != present[name] for name in _MADE_OF)):
            self._checked(place, lambda: fitting.image_and_flavor(self._tx, self._actor, wish.image_id, wish.flavor_id))
        return said

    def _schedule(self, key: Key, place: str, entry: ScheduleEntry) -> Fields:
        said = self._plain(entry, "rule", "action", "time_zone", "leaves_connected", "catch_up_minutes", "paused")
        if entry.pool is not None and entry.group is not None:
            self._mistakes.add(f"{place}.group", "A schedule is about a pool or a group, not both.")
        elif entry.pool is not None:
            said |= {"pool": entry.pool.strip(), "group": None}
            if self._pool_named(entry.pool.strip()) is None:
                self._mistakes.add(f"{place}.pool", f"There is no pool {entry.pool}.")
        elif entry.group is not None:
            said |= {"group": self._meant(f"{place}.group", self._present.groups, entry.group), "pool": None}
        elif key not in self._present.state:
            self._mistakes.add(f"{place}.pool", "A new schedule needs a pool or a group.")
        if not self._is_whole(key, place, said):
            return said
        wish = self._checked(place, lambda: schedule_wish(key, self._merged(key, said), "").checked())
        if wish is not None and "rule" in said:
            said["rule"] = wish.rule
        if wish is not None and schedules.next_after(wish.rule, ZoneInfo(wish.time_zone), self._now) is None:
            self._mistakes.add(f"{place}.rule", "There is no such day.")
        return said

    def _quota(self, place: str, entry: QuotaEntry, organization_name: str) -> None:
        named = [name for name in ("person", "group", "organization") if getattr(entry, name) is not None]
        amounts = list(entry.amounts())
        if len(named) != 1:
            self._mistakes.add(place, "A quota is for a person, a group, or the organization: say one of them.")
            return
        if not amounts:
            self._mistakes.add(place, "Say how much of what: " + ", ".join(Resource) + ".")
        (of,) = named
        if entry.person is not None:
            whose = self._meant(f"{place}.person", self._present.people, folded_email(entry.person))
        elif entry.group is not None:
            whose = self._meant(f"{place}.group", self._present.groups, entry.group)
        else:
            whose = organization_name
        if whose is None:
            return
        for resource, most in amounts:
            key = Key(Piece.QUOTA, whose, of, resource)
            if key in self.places:
                self._mistakes.add(f"{place}.{resource}", f"This quota of {whose} is said above already.")
                continue
            self.places[key] = f"{place}.{resource}"
            self.wanted[key] = None if most is None else {"most": most}

    def _plain(self, entry: PoolEntry | ScheduleEntry, *names: str) -> dict[str, Value]:
        return {name: getattr(entry, name) for name in names if getattr(entry, name) is not None}

    def _members(self, place: str, words: list[str]) -> tuple[str, ...]:
        found: set[str] = set()
        for number, word in enumerate(words):
            try:
                group_id = self._present.groups.find(word)
                directory, called = (self._present.groups, word) if group_id else (self._present.people, folded_email(word))
                holder_id = directory.id_of(called)
            except InvalidInput as error:
                reason = error.message if "called" in error.message else f"There is no group or account {word}."
                self._mistakes.add(f"{place}.members.{number}", reason)
                continue
            self.meant[f"member {word}"] = holder_id
            found.add(directory.told(holder_id) or holder_id)
        return tuple(sorted(found))

    def _security_groups(self, place: str, words: list[str]) -> tuple[str, ...]:
        directory = self._present.security_groups
        found = {self._meant(f"{place}.security_groups.{number}", directory, word) for number, word in enumerate(words)}
        return tuple(sorted(each for each in found if each is not None))

    def _meant(self, place: str, directory: Directory, word: str) -> str | None:
        """The one form of a name; None, and a mistake, when nothing is called so."""
        try:
            object_id = directory.id_of(word.strip())
        except InvalidInput as error:
            self._mistakes.add(place, error.message)
            return None
        self.meant[f"{place} {word}"] = object_id
        return directory.told(object_id)

    def _pool_named(self, name: str) -> Key | None:
        key = Key(Piece.POOL, name)
        return key if key in self.wanted or key in self._present.state else None

    def _merged(self, key: Key, said: Fields) -> Fields:
        return {**DEFAULTS[key.kind], **self._present.state.get(key, {}), **said}

    def _is_whole(self, key: Key, place: str, said: Fields) -> bool:
        """Whether all that it needs is said or there, and could be read."""
        if key not in self._present.state:
            for name in _NEEDED[key.kind]:
                if name not in said:
                    self._mistakes.add(f"{place}.{name}", f"A new {key.kind} needs it.")
        merged = self._merged(key, said)
        return all(merged.get(name) is not None for name in _NEEDED[key.kind])

    def _checked(self, place: str, check: Callable[[], Any]) -> Any:
        try:
            return check()
        except InvalidInput as error:
            self._mistakes.add_all(place, error)
            return None


_MADE_OF = ("image", "flavor")


def pool_wish(key: Key, said: Fields, present: Present) -> PoolWish:
    """A pool of a document as its service knows it."""
    known: Any = {**DEFAULTS[Piece.POOL], **said}
    return PoolWish(
        name=key.name,
        image_id=present.images.id_of(known["image"]),
        flavor_id=present.flavors.id_of(known["flavor"]),
        kind=pools.Kind(known["kind"]),
        network_id=None if known["network"] is None else present.networks.id_of(known["network"]),
        security_group_ids=[present.security_groups.id_of(each) for each in known["security_groups"]],
        **{name: known[name] for name in ("capacity", "spares", "hours", "time_zone", "release_after_minutes", "goal_seconds")},
    )


def schedule_wish(key: Key, said: Fields, subject_id: str) -> ScheduleWish:
    """A schedule of a document as its service knows it."""
    known: Any = {**DEFAULTS[Piece.SCHEDULE], **said}
    return ScheduleWish(
        name=key.name,
        action=Deed(known["action"]),
        subject_kind=SubjectKind.POOL if known["pool"] is not None else SubjectKind.GROUP,
        subject_id=subject_id,
        **{name: known[name] for name in ("rule", "time_zone", "leaves_connected", "catch_up_minutes")},
    )
