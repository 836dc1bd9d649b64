"""The API's JSON about leases: terms, ends, and what ends when."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from yunzhuo.services.leases import EndingKind, TermsOf, TermsView
from yunzhuo.services.rules import leases
from yunzhuo.services.rules.leases import Terms as FoundTerms
from yunzhuo.web.api.rights_models import Shown
from yunzhuo.webkit.bodies import Asked, Id, Moment

_Days = Annotated[int, Field(ge=1, le=leases.LONGEST_DAYS)]
_Hours = Annotated[int, Field(ge=1, le=leases.LONGEST_WARNING_HOURS)]


class Terms(BaseModel):
    """For how long desktops are given."""

    subject_id: Id = Field(description="The organization's id, or a pool's.")
    kind: TermsOf
    name: str
    is_set: bool = Field(description="False: none of its own; what is said here holds anyway.")
    days: int | None = Field(description="null: without an end.")
    extend_days: int
    extend_times: int
    warn_hours: list[int]
    bin_days: int

    @classmethod
    def of(cls, view: TermsView) -> Self:
        terms = {**asdict(view.terms), "warn_hours": list(view.terms.warn_hours)}
        return cls(subject_id=view.subject_id, kind=view.kind, name=view.name, is_set=view.is_set, **terms)


class TermsList(BaseModel):
    """The organization's terms, then those of its pools by name."""

    items: list[Terms]
    next_cursor: None = None


class AskedTerms(Asked):
    """For how long desktops are to be given from now on."""

    days: _Days | None = Field(None, description="null: without an end.")
    extend_days: _Days = Field(30, description="By how much an end is put off.")
    extend_times: int = Field(3, ge=0, le=leases.MOST_EXTENSIONS, description="How often people may; 0: administrators only.")
    warn_hours: list[_Hours] = Field(
        default_factory=lambda: [168, 24, 1],
        min_length=1,
        max_length=leases.MOST_WARNINGS,
        description="When people are warned, in hours before the end. From the first one on they may put it off.",
    )
    bin_days: int = Field(0, ge=0, le=leases.LONGEST_BIN_DAYS, description="How long what is deleted waits in the bin.")
    for_present: bool = Field(False, description="Give an end to those that are there without one, too.")

    def wish(self) -> FoundTerms:
        """The wish as services know it."""
        return FoundTerms(self.days, self.extend_days, self.extend_times, tuple(self.warn_hours), self.bin_days)


class AskedEnd(Asked):
    """When a desktop is to end."""

    ends_at: Moment | None = Field(description="null: never.")


class DeletionQuery(BaseModel):
    """How a desktop is deleted."""

    for_good: bool = Field(False, description="Not into the bin, whatever the terms say.")


class CalendarQuery(BaseModel):
    """Which days are wanted; two months at most."""

    since: Moment
    until: Moment


class Ending(Shown):
    """What ends then: a desktop, or its time in the bin."""

    at: datetime
    kind: EndingKind
    desktop_id: Id
    desktop_name: str
    owner_email: str


class EndingList(BaseModel):
    """What ends, in order."""

    items: list[Ending]
    next_cursor: None = None
