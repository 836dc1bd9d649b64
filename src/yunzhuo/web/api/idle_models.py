"""The API's JSON about desktops that nobody uses."""

from dataclasses import asdict
from typing import Annotated, Self

from pydantic import BaseModel, Field

from yunzhuo.services.idle import IdleTermsView
from yunzhuo.services.leases import TermsOf
from yunzhuo.services.rules import idle
from yunzhuo.services.rules.idle import IdleDeed
from yunzhuo.webkit.bodies import Asked, Id

_Minutes = Annotated[int, Field(ge=1, le=idle.LONGEST_MINUTES)]


class IdleRules(BaseModel):
    """What is done about idle desktops, and after how many minutes; null: never."""

    subject_id: Id = Field(description="The organization's id, or a pool's.")
    kind: TermsOf
    name: str
    is_set: bool = Field(description="False: none of its own; what is said here holds anyway.")
    disconnected_minutes: int | None
    closed_minutes: int | None
    disconnected_deed: IdleDeed
    no_input_minutes: int | None
    no_input_deed: IdleDeed
    unassigned_minutes: int | None
    notice_minutes: int
    busy_percent: int | None

    @classmethod
    def of(cls, view: IdleTermsView) -> Self:
        return cls(subject_id=view.subject_id, kind=view.kind, name=view.name, is_set=view.is_set, **asdict(view.terms))


class IdleRulesList(BaseModel):
    """The organization's rules, then those of its pools by name."""

    items: list[IdleRules]
    next_cursor: None = None


class AskedIdleRules(Asked):
    """What is to be done about idle desktops from now on; null: never."""

    disconnected_minutes: _Minutes | None = Field(None, description="When nobody has been connected for so long.")
    closed_minutes: _Minutes | None = Field(None, description="The same outside of a pool's hours, if that is sooner.")
    disconnected_deed: IdleDeed = Field(IdleDeed.STOP, description="`stop` or `suspend`.")
    no_input_minutes: _Minutes | None = Field(None, description="Connected, but no key and no mouse for so long.")
    no_input_deed: IdleDeed = IdleDeed.END_SCREEN
    unassigned_minutes: _Minutes | None = Field(None, description="When its person's account has been disabled for so long.")
    notice_minutes: int = Field(10, ge=1, le=idle.LONGEST_NOTICE, description="How long before it is done people are told.")
    busy_percent: int | None = Field(
        None,
        ge=idle.LEAST_PERCENT,
        le=100,
        description="A guest that is so busy is not idle; null: not asked.",
    )

    def wish(self) -> idle.Terms:
        """The wish as services know it."""
        return idle.Terms(**{name: getattr(self, name) for name in type(self).model_fields})
