"""The API's JSON about pools."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from yunzhuo.services.claims import Claimed as FoundClaim
from yunzhuo.services.pools import UTC_ZONE, PoolView, PoolWish
from yunzhuo.services.rules.pool_times import WaitPhase
from yunzhuo.services.rules.pools import (
    LONGEST_GOAL_SECONDS,
    LONGEST_RELEASE_MINUTES,
    MOST_DESKTOPS,
    MOST_SECURITY_GROUPS,
    MOST_WINDOWS,
    Kind,
    Way,
)
from yunzhuo.web.api.models import Chosen, Desktop
from yunzhuo.web.api.rights_models import Shown
from yunzhuo.webkit.bodies import Asked, Id

_Name = Annotated[str, Field(description="1 to 64 visible characters.", examples=["Physics lab"])]
_Capacity = Annotated[int, Field(ge=1, le=MOST_DESKTOPS, description="How many desktops there are at most.")]
_Spares = Annotated[int, Field(ge=0, le=MOST_DESKTOPS, description="How many stand ready outside the hours below.")]
_Line = Annotated[str, Field(max_length=80)]
_Hours = Annotated[
    list[_Line],
    Field(
        max_length=MOST_WINDOWS,
        description="How many stand ready at which hours, a line each; the most of those that hold counts.",
        examples=[["mon-fri 07:30-18:00 5"]],
    ),
]
_Zone = Annotated[str, Field(max_length=64, description="Whose clocks the hours mean.", examples=["Asia/Shanghai"])]
_Minutes = Annotated[
    int | None,
    Field(
        ge=1,
        le=LONGEST_RELEASE_MINUTES,
        description="A floating desktop that nobody is connected to for so long is given back; null: never.",
    ),
]


_Goal = Annotated[
    int | None,
    Field(ge=1, le=LONGEST_GOAL_SECONDS, description="How soon somebody should be at their desktop; null: nobody said."),
]


_CloudId = Annotated[str, Field(min_length=1, max_length=255)]
_Network = Annotated[
    _CloudId | None,
    Field(description="The network that its desktops are put on; null: the one that the cloud puts them on. For operators."),
]
_SecurityGroups = Annotated[
    list[_CloudId],
    Field(
        max_length=MOST_SECURITY_GROUPS,
        description="The security groups that its desktops are in; none: those that the cloud puts them in. For operators.",
    ),
]


_ENDED_BY_NULL = frozenset({"release_after_minutes", "goal_seconds", "network"})


class PoolCounts(Shown):
    """What a pool's desktops are doing. ``broken`` could not be made, ``lost`` are of no use for another reason."""

    ready: int
    coming: int
    in_use: int
    leaving: int
    broken: int
    lost: int


class Pool(BaseModel):
    """Desktops of one kind for a set of people."""

    id: Id
    name: str
    kind: Kind
    image: Chosen
    flavor: Chosen
    capacity: int
    spares: int
    hours: list[str]
    time_zone: str
    release_after_minutes: int | None
    counts: PoolCounts
    wanted_now: int = Field(description="How many should stand ready at this hour.")
    members: int = Field(description="How many people and groups may have one.")
    problem: str | None = Field(description="Why desktops of it cannot be built now.")
    goal_seconds: int | None = Field(description="How soon somebody should be at their desktop.")
    network: Chosen | None = Field(description="Null: the network that the cloud puts desktops on.")
    security_groups: list[Chosen] = Field(description="None: those that the cloud puts desktops in.")
    is_rolling: bool = Field(description="A roll-out of another image goes on, or rests.")
    created_at: datetime

    @classmethod
    def of(cls, view: PoolView) -> Self:
        return cls(
            id=view.id,
            name=view.name,
            kind=view.kind,
            image=Chosen(id=view.image_id, name=view.image_name),
            flavor=Chosen(id=view.flavor_id, name=view.flavor_name),
            capacity=view.capacity,
            spares=view.spares,
            hours=list(view.hours),
            time_zone=view.time_zone,
            release_after_minutes=view.release_after_minutes,
            counts=PoolCounts.model_validate(view.counts),
            wanted_now=view.wanted_now,
            members=view.members,
            problem=view.problem,
            goal_seconds=view.goal_seconds,
            network=Chosen(id=view.network_id, name=view.network_name or "") if view.network_id else None,
            security_groups=[Chosen(id=each, name=name) for each, name in view.security_groups.items()],
            is_rolling=view.rolling_image_id is not None,
            created_at=view.created_at,
        )


class PoolList(BaseModel):
    """Pools by name."""

    items: list[Pool]
    next_cursor: None = None


class NewPool(Asked):
    """A pool to be made."""

    name: _Name
    image: Id
    flavor: Id
    capacity: _Capacity
    spares: _Spares = 0
    kind: Kind = Kind.FLOATING
    hours: _Hours = Field(default_factory=list)
    time_zone: _Zone = UTC_ZONE
    release_after_minutes: _Minutes = None
    goal_seconds: _Goal = None
    network: _Network = None
    security_groups: _SecurityGroups = Field(default_factory=list)

    def wish(self) -> PoolWish:
        """The wish as services know it."""
        return PoolWish(
            name=self.name,
            image_id=self.image,
            flavor_id=self.flavor,
            capacity=self.capacity,
            spares=self.spares,
            kind=self.kind,
            hours=self.hours,
            time_zone=self.time_zone,
            release_after_minutes=self.release_after_minutes,
            goal_seconds=self.goal_seconds,
            network_id=self.network,
            security_group_ids=self.security_groups,
        )


class PoolChange(Asked):
    """What of a pool is to be another way."""

    name: _Name | None = None
    image: Id | None = None
    flavor: Id | None = None
    capacity: _Capacity | None = None
    spares: _Spares | None = None
    hours: _Hours | None = None
    time_zone: _Zone | None = None
    release_after_minutes: _Minutes = None
    goal_seconds: _Goal = None
    network: _Network = None
    security_groups: _SecurityGroups | None = None

    def applied(self, wish: PoolWish) -> PoolWish:
        """What the pool is to be. Null leaves all as it is, but for ``release_after_minutes``, ``goal_seconds`` and
        ``network``, which it ends."""
        fields = {
            "image": "image_id",
            "flavor": "flavor_id",
            "network": "network_id",
            "security_groups": "security_group_ids",
        }
        said = {name: getattr(self, name) for name in self.model_fields_set}
        kept = {name: value for name, value in said.items() if value is not None or name in _ENDED_BY_NULL}
        return replace(wish, **{fields.get(name, name): value for name, value in kept.items()})


class PoolMember(Shown):
    """A person, or a group for everybody in it."""

    id: Id
    name: str = Field(description="A person's address, or a group's name.")
    is_group: bool


class PoolMemberList(BaseModel):
    """Who may have a desktop of a pool."""

    items: list[PoolMember]
    next_cursor: None = None


class PoolSample(Shown):
    """How many desktops were what at a moment."""

    at: datetime
    in_use: int
    ready: int
    coming: int


class PoolDay(Shown):
    """The day that it is by the pool's clocks, as far as it was seen."""

    begins_at: datetime
    ends_at: datetime
    time_zone: str
    capacity: int
    samples: list[PoolSample]


class PoolSpread(Shown):
    """How values are spread, in seconds."""

    median: float
    high: float = Field(description="95 % are not above it.")
    count: int


class PoolTimes(Shown):
    """How long the latest desktops took."""

    goal_seconds: int | None
    phases: dict[WaitPhase, PoolSpread | None] = Field(description="null: nothing is known of this phase.")
    making: PoolSpread | None = Field(description="From the wish to a desktop that is ready.")
    waiting: PoolSpread | None = Field(description="What people waited for one that they could open.")
    within_goal: float | None = Field(description="Which part of those waits was within the goal, from 0 to 1.")


class PoolOffer(Shown):
    """A pool that the person is a member of."""

    id: Id
    name: str
    kind: Kind
    image_name: str
    desktop_id: str | None = Field(description="The desktop that the person has of it.")
    is_ready: bool = Field(description="One would be theirs at once.")
    is_full: bool = Field(description="They cannot have one now.")


class PoolOfferList(BaseModel):
    """The person's pools by name."""

    items: list[PoolOffer]
    next_cursor: None = None


class Claim(BaseModel):
    """The desktop that the person has of a pool now. While it is being built, its operation says how far it is."""

    way: Way = Field(description="They had it, it stood ready, it was coming already, or it is built for them.")
    desktop: Desktop

    @classmethod
    def of(cls, claimed: FoundClaim) -> Self:
        return cls(way=claimed.way, desktop=Desktop.of(claimed.desktop))
