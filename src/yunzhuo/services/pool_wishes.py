"""A pool as it is wished for, and as it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.accounts import time_zones
from yunzhuo.services.rules import naming, pools
from yunzhuo.services.rules.pools import Counts, Kind

UTC_ZONE = "UTC"


@dataclass(frozen=True, slots=True)
class PoolWish:
    """What a pool is to be. ``hours`` are lines (``services.rules.pools``); outside them ``spares`` stand ready.
    ``goal_seconds``: how soon somebody should be at their desktop. ``network_id`` and ``security_group_ids`` are the cloud's;
    None and none: what the cloud puts desktops into by itself."""

    name: str
    image_id: str
    flavor_id: str
    capacity: int
    spares: int
    kind: Kind = Kind.FLOATING
    hours: Sequence[str] = field(default_factory=list)
    time_zone: str = UTC_ZONE
    release_after_minutes: int | None = None
    goal_seconds: int | None = None
    network_id: str | None = None
    security_group_ids: Sequence[str] = ()

    def checked(self) -> "PoolWish":
        """The wish in form. Raises InvalidInput, for all that is wrong at once."""
        wrong: dict[str, str] = {}
        if not 1 <= self.capacity <= pools.MOST_DESKTOPS:
            wrong["capacity"] = f"From 1 to {pools.MOST_DESKTOPS}."
        if not 0 <= self.spares <= max(self.capacity, 0):
            wrong["spares"] = "From 0 to the pool's capacity."
        if self.time_zone != UTC_ZONE and self.time_zone not in time_zones():
            wrong["time_zone"] = "A name like Asia/Shanghai."
        minutes = self.release_after_minutes
        if minutes is not None and not 1 <= minutes <= pools.LONGEST_RELEASE_MINUTES:
            wrong["release_after_minutes"] = f"From 1 to {pools.LONGEST_RELEASE_MINUTES}."
        elif minutes is not None and self.kind is Kind.DEDICATED:
            wrong["release_after_minutes"] = "Desktops of a dedicated pool are kept."
        if self.goal_seconds is not None and not 1 <= self.goal_seconds <= pools.LONGEST_GOAL_SECONDS:
            wrong["goal_seconds"] = f"From 1 to {pools.LONGEST_GOAL_SECONDS}."
        if len(set(self.security_group_ids)) > pools.MOST_SECURITY_GROUPS:
            wrong["security_groups"] = f"{pools.MOST_SECURITY_GROUPS} at most."
        name, hours = "", list(self.hours)
        try:
            name = naming.checked_name(self.name)
            hours = [pools.line_of(window) for window in pools.windows_of(self.hours)]
        except InvalidInput as error:
            wrong |= error.fields
        if wrong:
            raise InvalidInput("The pool is not valid.", fields=wrong)
        return replace(self, name=name, hours=hours, security_group_ids=sorted(set(self.security_group_ids)))


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool, what its desktops are doing, and how many are wanted ready at this hour.

    ``members`` counts people and groups. ``problem`` is why desktops of it cannot be built now. ``rolling_image_id`` is the
    other image that its desktops may have while a roll-out goes on. ``security_groups`` are names by id.
    """

    id: str
    name: str
    kind: Kind
    image_id: str
    image_name: str
    flavor_id: str
    flavor_name: str
    capacity: int
    spares: int
    hours: Sequence[str]
    time_zone: str
    release_after_minutes: int | None
    counts: Counts
    wanted_now: int
    members: int
    problem: str | None
    created_at: datetime
    goal_seconds: int | None = None
    rolling_image_id: str | None = None
    network_id: str | None = None
    network_name: str | None = None
    security_groups: Mapping[str, str] = field(default_factory=dict)

    def as_wish(self) -> PoolWish:
        """What would be asked for to have it as it is."""
        return PoolWish(
            name=self.name,
            image_id=self.image_id,
            flavor_id=self.flavor_id,
            capacity=self.capacity,
            spares=self.spares,
            kind=self.kind,
            hours=self.hours,
            time_zone=self.time_zone,
            release_after_minutes=self.release_after_minutes,
            goal_seconds=self.goal_seconds,
            network_id=self.network_id,
            security_group_ids=sorted(self.security_groups),
        )


@dataclass(frozen=True, slots=True)
class PoolMemberView:
    """A person, or a group for everybody in it."""

    id: str
    name: str
    is_group: bool
