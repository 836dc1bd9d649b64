"""The API's JSON of hundreds of wishes in one request."""

from typing import Annotated, Self

from pydantic import BaseModel, Field

from yunzhuo.services.bulk import MAX_AT_ONCE, Outcome, Outcomes
from yunzhuo.services.desktops import NewDesktop, RebootKind
from yunzhuo.web.api.models import AskedAction
from yunzhuo.web.api.operation_models import Operation, Refusal
from yunzhuo.webkit.bodies import Asked, Id
from yunzhuo.webkit.statuses import problem_of

_Id = Annotated[str, Field(max_length=64)]
_Ids = Annotated[list[_Id], Field(min_length=1, max_length=MAX_AT_ONCE)]


class ManyActions(Asked):
    """The same change of several desktops."""

    ids: _Ids
    action: AskedAction
    kind: RebootKind = Field(RebootKind.SOFT, description="For reboot: soft asks the system inside, hard pulls the plug.")
    image: Id | None = Field(None, max_length=64, description="For rebuild: the id of another image than the present one.")
    dry_run: bool = Field(False, description="Say what would become of each, and do nothing.")


class OneOfMany(Asked):
    """What differs from one new desktop to the other."""

    name: str | None = Field(None, description="1 to 64 visible characters.", examples=["Chemistry 7"])
    owner: Id | None = Field(None, max_length=64, description="For somebody else, by their id; for administrators.")


class ManyDesktops(Asked):
    """Several desktops of one image and flavor."""

    image: Id = Field(max_length=64, description="The id of an image.")
    flavor: Id = Field(max_length=64, description="The id of a flavor.")
    desktops: Annotated[list[OneOfMany], Field(min_length=1, max_length=MAX_AT_ONCE)]
    dry_run: bool = Field(False, description="Say what would become of each, and do nothing.")

    def wanted(self) -> list[NewDesktop]:
        """One by one."""
        return [NewDesktop(self.image, self.flavor, each.name, each.owner) for each in self.desktops]


class Result(BaseModel):
    """What became of one wish: an operation, or a problem. ``id`` is the desktop's, null when there is none."""

    id: Id | None
    operation: Operation | None
    problem: Refusal | None

    @classmethod
    def of(cls, outcome: Outcome, *, is_rehearsal: bool) -> Self:
        problem = problem_of(outcome.refusal) if outcome.refusal else None
        is_told = outcome.accepted is not None and not is_rehearsal
        return cls(
            id=outcome.desktop_id,
            operation=Operation.of(outcome.accepted.operation) if outcome.accepted and is_told else None,
            problem=Refusal(status=problem.status, code=problem.code, detail=problem.detail) if problem else None,
        )


class Results(BaseModel):
    """What became of each wish, in the order in which they were asked; with `dry_run`: what would."""

    dry_run: bool
    accepted: int
    refused: int
    at_once: int = Field(description="How many of them the cloud had room for at that moment.")
    waiting: int = Field(description="How many had to wait to be let in.")
    expected_seconds: float | None = Field(description="About how long until the last one is let in; null: nobody knows yet.")
    results: list[Result]

    @classmethod
    def of(cls, outcomes: Outcomes) -> Self:
        return cls(
            dry_run=outcomes.is_rehearsal,
            accepted=outcomes.accepted,
            refused=len(outcomes.items) - outcomes.accepted,
            at_once=outcomes.outlook.at_once,
            waiting=outcomes.outlook.waiting,
            expected_seconds=outcomes.outlook.expected_seconds,
            results=[Result.of(outcome, is_rehearsal=outcomes.is_rehearsal) for outcome in outcomes.items],
        )
