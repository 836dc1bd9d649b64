"""The API's JSON about schedules and timers."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from yunzhuo.services.rules.schedules import DEFAULT_CATCH_UP, LONGEST_CATCH_UP, LONGEST_RULE, Deed, RunStatus, SubjectKind
from yunzhuo.services.schedules import MAX_RUNS, UTC_ZONE, RunView, ScheduleView, ScheduleWish
from yunzhuo.web.api.rights_models import Shown
from yunzhuo.webkit.bodies import Asked, Id

_Name = Annotated[str, Field(description="1 to 64 visible characters.", examples=["Off in the evening"])]
_Rule = Annotated[
    str,
    Field(
        max_length=LONGEST_RULE,
        description="As cron has it: minute, hour, day of the month, month, day of the week.",
        examples=["0 22 * * 1-5"],
    ),
]
_Zone = Annotated[str, Field(max_length=64, description="Whose clocks the rule means.", examples=["Asia/Shanghai"])]
_CatchUp = Annotated[
    int,
    Field(
        ge=1,
        le=int(LONGEST_CATCH_UP.total_seconds() // 60),
        description="What could not be done on time is done up to so many minutes later.",
    ),
]
_Leaves = Annotated[bool, Field(description="Whether desktops that somebody is connected to are left as they are.")]


class ScheduleSubject(BaseModel):
    """Whose desktops a schedule is about. `name` null: it is gone."""

    kind: SubjectKind
    id: Id
    name: str | None = None


class ScheduleRun(Shown):
    """One time that a schedule was due, or was asked for."""

    id: Id
    schedule_id: Id
    schedule_name: str
    due_at: datetime
    status: RunStatus
    started_at: datetime
    ended_at: datetime | None
    late_seconds: float = Field(description="How long after it was due it was begun, or found too late.")
    begun: int = Field(description="How many changes were asked for.")
    untouched: int = Field(description="How many desktops needed none, or were used.")
    refused: int
    problem: str | None


class ScheduleRunList(BaseModel):
    """Runs, the newest first."""

    items: list[ScheduleRun]
    next_cursor: None = None

    @classmethod
    def of(cls, runs: list[RunView]) -> Self:
        return cls(items=[ScheduleRun.model_validate(each) for each in runs])


class RunQuery(BaseModel):
    """How many runs are wanted."""

    limit: int = Field(50, ge=1, le=MAX_RUNS)


class Schedule(BaseModel):
    """What is done to which desktops at which times."""

    id: Id
    name: str
    rule: str
    time_zone: str
    action: Deed
    subject: ScheduleSubject
    leaves_connected: bool
    catch_up_minutes: int
    next_at: datetime | None = Field(description="When it is due next; null: it is paused, or never.")
    is_paused: bool
    is_late: bool = Field(description="It has been due for more than a minute.")
    latest: ScheduleRun | None
    created_at: datetime

    @classmethod
    def of(cls, view: ScheduleView) -> Self:
        return cls(
            id=view.id,
            name=view.name,
            rule=view.rule,
            time_zone=view.time_zone,
            action=view.action,
            subject=ScheduleSubject(kind=view.subject_kind, id=view.subject_id, name=view.subject_name),
            leaves_connected=view.leaves_connected,
            catch_up_minutes=view.catch_up_minutes,
            next_at=view.next_at,
            is_paused=view.is_paused,
            is_late=view.is_late,
            latest=ScheduleRun.model_validate(view.latest) if view.latest else None,
            created_at=view.created_at,
        )


class ScheduleList(BaseModel):
    """Schedules by name."""

    items: list[Schedule]
    next_cursor: None = None


class AskedSubject(Asked):
    """Whose desktops a schedule is about."""

    kind: SubjectKind
    id: Id


class NewSchedule(Asked):
    """A schedule to be made."""

    name: _Name
    rule: _Rule
    action: Deed
    subject: AskedSubject
    time_zone: _Zone = UTC_ZONE
    leaves_connected: _Leaves = True
    catch_up_minutes: _CatchUp = int(DEFAULT_CATCH_UP.total_seconds() // 60)

    def wish(self) -> ScheduleWish:
        """The wish as services know it."""
        return ScheduleWish(
            name=self.name,
            rule=self.rule,
            action=self.action,
            subject_kind=self.subject.kind,
            subject_id=self.subject.id,
            time_zone=self.time_zone,
            leaves_connected=self.leaves_connected,
            catch_up_minutes=self.catch_up_minutes,
        )


class ScheduleChange(Asked):
    """What of a schedule is to be another way; null leaves it as it is."""

    name: _Name | None = None
    rule: _Rule | None = None
    action: Deed | None = None
    subject: AskedSubject | None = None
    time_zone: _Zone | None = None
    leaves_connected: _Leaves | None = None
    catch_up_minutes: _CatchUp | None = None

    def applied(self, wish: ScheduleWish) -> ScheduleWish:
        """What the schedule is to be."""
        said = {name: getattr(self, name) for name in self.model_fields_set - {"subject"}}
        kept = {name: value for name, value in said.items() if value is not None}
        if self.subject is not None:
            kept |= {"subject_kind": self.subject.kind, "subject_id": self.subject.id}
        return replace(wish, **kept)


class Timer(Shown):
    """One of the schedulers' own timers; of several schedulers the one that keeps time best."""

    name: str
    seconds: float = Field(description="How long it rests between two turns.")
    lag_seconds: float = Field(description="How long ago its turn was due; 0: on time.")
    took_seconds: float = Field(description="How long its last turn lasted.")
    schedulers: int
    failure_code: str | None
    failing_since: datetime | None
    is_late: bool


class TimerList(BaseModel):
    """Timers by name."""

    items: list[Timer]
    next_cursor: None = None
