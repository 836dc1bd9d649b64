"""The document that says how an organization's pools, schedules and quotas are to be, and its form."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.rules.pools import (
    LONGEST_GOAL_SECONDS,
    LONGEST_RELEASE_MINUTES,
    MOST_DESKTOPS,
    MOST_SECURITY_GROUPS,
    MOST_WINDOWS,
)
from yunzhuo.services.rules.quota import Resource
from yunzhuo.services.rules.schedules import LONGEST_CATCH_UP, LONGEST_RULE

MOST_OF_A_KIND = 500
MOST_MEMBERS = 2000
DEFAULT_NAME = "main"
NONE = "none"
_MOST = 2**53 - 1

_Text = Annotated[str, Field(max_length=255)]
_Named = Annotated[str, Field(max_length=64, min_length=1, description="1 to 64 visible characters.")]
_Zone = Annotated[str, Field(max_length=64, description="Whose clocks are meant.", examples=["Asia/Shanghai"])]
_Amount = Annotated[int, Field(ge=0, le=_MOST)] | Literal["none"]
_Entry = TypeVar("_Entry", bound=BaseModel)


class _Said(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_serializer(mode="wrap")
    def _what_is_said(self, told: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is left out is not told either."""
        return {name: value for name, value in told(self).items() if value is not None}


class PoolEntry(_Said):
    """A pool by its name. A new one needs ``image``, ``flavor`` and ``capacity``."""

    name: _Named
    image: _Text | None = Field(None, description="An image's name, or its id.", examples=["Linux desktop"])
    flavor: _Text | None = Field(None, description="A flavor's name, or its id.", examples=["Small"])
    capacity: int | None = Field(None, ge=1, le=MOST_DESKTOPS, description="How many desktops there are at most.")
    spares: int | None = Field(None, ge=0, le=MOST_DESKTOPS, description="How many stand ready outside the hours.")
    kind: Literal["floating", "dedicated"] | None = Field(None, description="Stays as it was made.")
    hours: list[Annotated[str, Field(max_length=80)]] | None = Field(
        None, max_length=MOST_WINDOWS, description="How many stand ready when.", examples=[["mon-fri 07:30-18:00 5"]]
    )
    time_zone: _Zone | None = None
    release_after_minutes: int | None = Field(
        None, ge=0, le=LONGEST_RELEASE_MINUTES, description="When nobody is connected to a floating one; 0: never."
    )
    goal_seconds: int | None = Field(
        None, ge=0, le=LONGEST_GOAL_SECONDS, description="How soon somebody should be at their desktop; 0: nobody says."
    )
    network: _Text | None = Field(
        None, description="A network's name, or its id; none: the one that the cloud puts desktops on. For operators."
    )
    security_groups: list[_Text] | None = Field(
        None, max_length=MOST_SECURITY_GROUPS, description="Their names or ids; empty: the cloud's own. For operators."
    )
    members: list[_Text] | None = Field(
        None, max_length=MOST_MEMBERS, description="All who may have one: groups' names and people's addresses."
    )


class ScheduleEntry(_Said):
    """A schedule by its name. A new one needs ``rule``, ``action``, and ``pool`` or ``group``."""

    name: _Named
    rule: str | None = Field(None, max_length=LONGEST_RULE, description="As cron has it.", examples=["0 22 * * 1-5"])
    action: Literal["start", "stop", "suspend"] | None = None
    pool: _Text | None = Field(None, description="The pool whose desktops it is about.")
    group: _Text | None = Field(None, description="The group whose people's desktops it is about.")
    time_zone: _Zone | None = None
    leaves_connected: bool | None = Field(None, description="Whether whoever is connected is left alone.")
    catch_up_minutes: int | None = Field(None, ge=1, le=int(LONGEST_CATCH_UP.total_seconds() // 60))
    paused: bool | None = None


class QuotaEntry(_Said):
    """How much there is for one person, for a group's people together, or for the organization: exactly one of them.

    ``none`` takes a limit away.
    """

    person: _Text | None = Field(None, description="A person's address.", examples=["lin@school.local"])
    group: _Text | None = Field(None, description="A group's name.")
    organization: Literal[True] | None = Field(None, description="The organization itself; for operators.")
    desktops: _Amount | None = None
    running: _Amount | None = None
    vcpus: _Amount | None = None
    memory_mib: _Amount | None = None
    disk_mib: _Amount | None = None
    snapshots: _Amount | None = None
    addresses: _Amount | None = None
    personal_disks: _Amount | None = None
    personal_disk_mib: _Amount | None = None
    personal_disk_snapshots: _Amount | None = None
    hours: _Amount | None = None

    def amounts(self) -> Iterator[tuple[Resource, int | None]]:
        """What is said of each resource; None: no limit."""
        for resource in Resource:
            most = getattr(self, resource)
            if most is not None:
                yield resource, None if most == NONE else most


class Document(_Said):
    """Pools, schedules and quotas. ``name`` tells documents apart of which an organization has several."""

    name: _Named = DEFAULT_NAME
    pools: list[PoolEntry] = Field(default_factory=list, max_length=MOST_OF_A_KIND)
    schedules: list[ScheduleEntry] = Field(default_factory=list, max_length=MOST_OF_A_KIND)
    quotas: list[QuotaEntry] = Field(default_factory=list, max_length=MOST_OF_A_KIND)


@dataclass
class Mistakes:
    """All that is wrong, each at its place: ``pools.0.capacity``."""

    found: dict[str, str] = field(default_factory=dict)

    def add(self, place: str, reason: str) -> None:
        """One more; the first at a place counts."""
        self.found.setdefault(place, reason)

    def add_all(self, place: str, error: InvalidInput) -> None:
        """Those of something at ``place``."""
        for name, reason in error.fields.items():
            self.add(f"{place}.{name}", reason)

    def raise_if_any(self) -> None:
        """Raises InvalidInput, for all at once."""
        if self.found:
            raise InvalidInput("The document is not valid.", code="configuration_invalid", fields=self.found)


@dataclass(frozen=True)
class Entries:
    """What of a document has its form, each entry with its place."""

    name: str
    pools: Mapping[str, PoolEntry]
    schedules: Mapping[str, ScheduleEntry]
    quotas: Mapping[str, QuotaEntry]


def read(document: Mapping[str, object], mistakes: Mistakes) -> Entries:
    """The entries of a document as it was read from a file or a request; what has no form is among ``mistakes``.

    Each is looked at by itself, so that all that is wrong anywhere is told at once.
    """
    for unknown in sorted(str(key) for key in document if key not in Document.model_fields):
        mistakes.add(unknown, "There is no such thing. There are: " + ", ".join(Document.model_fields) + ".")
    name = document.get("name", DEFAULT_NAME)
    if not isinstance(name, str) or not 1 <= len(name) <= 64:  # noqa: PLR2004 # as every name
        mistakes.add("name", "A text of 1 to 64 characters.")
        name = DEFAULT_NAME
    return Entries(
        name,
        _entries(document, "pools", PoolEntry, mistakes),
        _entries(document, "schedules", ScheduleEntry, mistakes),
        _entries(document, "quotas", QuotaEntry, mistakes),
    )


def _entries(document: Mapping[str, object], kind: str, model: type[_Entry], mistakes: Mistakes) -> dict[str, _Entry]:
    said = document.get(kind, [])
    if not isinstance(said, list):
        mistakes.add(kind, f"A list of tables: [[{kind}]].")
        return {}
    if len(said) > MOST_OF_A_KIND:
        mistakes.add(kind, f"At most {MOST_OF_A_KIND}.")
        return {}
    found: dict[str, _Entry] = {}
    for number, each in enumerate(said):
        place = f"{kind}.{number}"
        try:
            found[place] = model.model_validate(each)
        except ValidationError as error:
            for wrong in error.errors(include_url=False, include_context=False, include_input=False):
                mistakes.add(".".join([place, *(str(part) for part in _place(wrong["loc"]))]), _reason(wrong, model))
    return found


def _place(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Where it is: a field, or an entry of a field's list. What pydantic adds says which kind of value was tried."""
    return location[:2] if len(location) > 1 and isinstance(location[1], int) else location[:1]


def _reason(wrong: Any, model: type[BaseModel]) -> str:
    if wrong["type"] == "extra_forbidden":
        return "There is no such key. There are: " + ", ".join(model.model_fields) + "."
    if wrong["type"] == "missing":
        return "It is needed."
    if wrong["type"] == "model_type":
        return "A table of keys and values."
    if model is QuotaEntry and wrong["loc"][0] in set(Resource):
        return 'A whole number from 0, or "none".'
    return str(wrong["msg"]).removeprefix("Input ").capitalize() + "."
