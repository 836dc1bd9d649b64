"""What the JSON of all our APIs is made of: what may be asked, times and ids, and what went wrong."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

EXAMPLE_ID = "0b6f7a0e-6d0c-4d6a-9a35-0f0a3f6d8a11"
Id = Annotated[str, Field(examples=[EXAMPLE_ID])]


def _as_written(value: object) -> object:
    """The time that a text says; pydantic would also take "0.5" for half a second after 1970."""
    if not isinstance(value, str):
        return value
    if "T" not in value.upper():
        raise ValueError("a time is written as 2026-03-02T08:00:00Z")
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time in the years 1 to 9999") from error


# A time in a request: ISO 8601, with its offset from UTC.
Moment = Annotated[AwareDatetime, BeforeValidator(_as_written)]


class Asked(BaseModel):
    """A request's body: JSON's own kinds, exactly. ``0`` is not ``false``, and ``"2"`` is no number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def model_validate(cls, obj: Any, **kwargs: Any) -> Self:
        """Check ``obj``, which APIFlask has read; once more as JSON: only there are times text when all is strict."""
        checked = super().model_validate(obj, **kwargs)
        # Halves of characters, which are no UTF-8, are for whoever knows the field to refuse.
        cls.model_validate_json(json.dumps(obj, ensure_ascii=False).encode(errors="replace"), strict=True)
        return checked


class Problem(BaseModel):
    """What went wrong (RFC 9457). ``code`` is a stable word for programs, ``errors`` says what is wrong with which field."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no such desktop."])
    code: str = Field(examples=["desktop_not_found"])
    request_id: str = Field(examples=[EXAMPLE_ID])
    errors: dict[str, str] = Field(default_factory=dict, description="Only with some statuses.")
