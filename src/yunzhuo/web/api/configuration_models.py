"""The API's JSON about pools, schedules and quotas as one document."""

from typing import Annotated, Self

from pydantic import BaseModel, Field

from yunzhuo.services.configuration import Piece, Plan, StepKind
from yunzhuo.services.configuration_document import Document
from yunzhuo.webkit.bodies import Asked

__all__ = ["Applying", "Configuration", "Document", "Planning"]

_Value = str | int | bool | list[str] | None


class Planning(Asked):
    """A document, and whether what an earlier apply of it made, and it mentions no more, is to go."""

    document: Document
    prune: bool = False


class Applying(Planning):
    """A document to be made true, as it was shown."""

    fingerprint: Annotated[str, Field(max_length=64, description="Of the plan that was shown.")]


class FieldDifference(BaseModel):
    """One field before and after; null: nothing is said there."""

    field: str
    before: _Value
    after: _Value


class ConfigurationStep(BaseModel):
    """What is done with one pool, schedule or quota. Of a quota `of` says for whom (`person`, `group`, `organization`)."""

    deed: StepKind
    kind: Piece
    name: str
    of: str | None
    resource: str | None
    differences: list[FieldDifference]


class Configuration(BaseModel):
    """What has to be done, or was: nothing, when the document is true already."""

    name: str = Field(description="The document's.")
    steps: list[ConfigurationStep]
    fingerprint: str = Field(description="To be given when this, and nothing else, is to be done.")

    @classmethod
    def of(cls, plan: Plan) -> Self:
        return cls(
            name=plan.name,
            steps=[
                ConfigurationStep(
                    deed=step.deed,
                    kind=step.key.kind,
                    name=step.key.name,
                    of=step.key.of or None,
                    resource=step.key.resource or None,
                    differences=[
                        FieldDifference(field=each.field, before=_listed(each.before), after=_listed(each.after))
                        for each in step.differences
                    ],
                )
                for step in plan.steps
            ],
            fingerprint=plan.fingerprint,
        )


def _listed(value: str | int | bool | tuple[str, ...] | None) -> _Value:
    return list(value) if isinstance(value, tuple) else value
