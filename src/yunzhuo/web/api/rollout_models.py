"""The API's JSON about roll-outs."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from yunzhuo.services.rollout_book import ImageRef, RolloutView
from yunzhuo.services.rules.rollouts import (
    LONGEST_NOTICE_HOURS,
    MOST_FAILURES,
    MOST_STAGES,
    WHOLE,
    Pace,
    RolloutStatus,
    RolloutVerb,
)
from yunzhuo.web.api.rights_models import Shown
from yunzhuo.webkit.bodies import Asked, Id

_Percent = Annotated[int, Field(ge=1, le=WHOLE)]


class RolloutImage(Shown):
    """An image and which version of it."""

    id: Id
    name: str
    version: str

    @classmethod
    def of(cls, ref: ImageRef) -> Self:
        return cls(id=ref.id, name=ref.name, version=ref.version)


class NewRollout(Asked):
    """Another image for a pool, and how fast it comes."""

    image: Id
    stages: Annotated[
        list[_Percent],
        Field(
            min_length=1,
            max_length=MOST_STAGES,
            description="Percents of the capacity that have the new image, one after another; the last is 100.",
        ),
    ] = Field(default_factory=lambda: list(Pace().stages))
    at_once_percent: Annotated[_Percent, Field(description="So much of the capacity is being changed at once.")] = (
        Pace().at_once_percent
    )
    most_failures: Annotated[int, Field(ge=1, le=MOST_FAILURES, description="It stops after so many in a row.")] = (
        Pace().most_failures
    )
    notice_hours: Annotated[
        int,
        Field(ge=0, le=LONGEST_NOTICE_HOURS, description="So long before it people with a dedicated desktop are told."),
    ] = Pace().notice_hours

    def pace(self) -> Pace:
        """How fast, as services know it."""
        return Pace(tuple(self.stages), self.at_once_percent, self.most_failures, self.notice_hours)


class Advance(Asked):
    """To the stage after this one."""

    from_stage: int = Field(ge=0, lt=MOST_STAGES, description="Where it stands: said twice, the first counts.")


class Rollout(BaseModel):
    """A pool coming from one image to another."""

    id: Id
    status: RolloutStatus
    is_back: bool = Field(description="It leads back to the image before.")
    origin: RolloutImage
    target: RolloutImage
    stages: list[int]
    stage: int = Field(description="The present one, counted from 0.")
    level: int = Field(description="So many desktops may have the image at this stage.")
    is_stage_reached: bool = Field(description="Nothing is left to do at this stage; somebody should look, and go on.")
    at_once: int = Field(description="So many are being changed at once at most.")
    at_once_percent: int
    most_failures: int
    notice_hours: int
    there: int = Field(description="So many desktops the pool has.")
    have_it: int = Field(description="So many have the image that it leads to.")
    with_people: int = Field(description="People have so many that do not.")
    changing: int = Field(description="So many are under way.")
    problem: str | None = Field(description="Why it stopped by itself.")
    verbs: list[RolloutVerb] = Field(description="What can be said to it now.")
    gives_way: bool = Field(description="Another roll-out may begin.")
    started_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, view: RolloutView) -> Self:
        plain = {name: getattr(view, name) for name in cls.model_fields if name not in ("origin", "target", "verbs", "stages")}
        return cls(
            **plain,
            origin=RolloutImage.of(view.origin),
            target=RolloutImage.of(view.target),
            stages=list(view.stages),
            verbs=sorted(view.verbs),
        )


class RolloutAnswer(BaseModel):
    """A pool's latest roll-out; null: there never was one."""

    rollout: Rollout | None
