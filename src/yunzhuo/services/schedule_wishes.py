"""A schedule as it is wished for, as it is told, and what is told of its runs."""

from dataclasses import dataclass, replace
from datetime import datetime

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.accounts import time_zones
from yunzhuo.services.rules import naming, schedules
from yunzhuo.services.rules.schedules import Deed, RunStatus, SubjectKind

UTC_ZONE = "UTC"


@dataclass(frozen=True, slots=True)
class ScheduleWish:
    """What a schedule is to be; ``rule`` as cron has it (``services.rules.schedules``)."""

    name: str
    rule: str
    action: Deed
    subject_kind: SubjectKind
    subject_id: str
    time_zone: str = UTC_ZONE
    leaves_connected: bool = True
    catch_up_minutes: int = int(schedules.DEFAULT_CATCH_UP.total_seconds() // 60)

    def checked(self) -> "ScheduleWish":
        """The wish in form. Raises InvalidInput, for all that is wrong at once."""
        wrong: dict[str, str] = {}
        longest = int(schedules.LONGEST_CATCH_UP.total_seconds() // 60)
        if self.time_zone != UTC_ZONE and self.time_zone not in time_zones():
            wrong["time_zone"] = "A name like Asia/Shanghai."
        if not 1 <= self.catch_up_minutes <= longest:
            wrong["catch_up_minutes"] = f"From 1 to {longest}."
        name = rule = ""
        try:
            name = naming.checked_name(self.name)
        except InvalidInput as error:
            wrong |= error.fields
        try:
            rule = schedules.checked_rule(self.rule)
        except InvalidInput as error:
            wrong |= error.fields
        if wrong:
            raise InvalidInput("The schedule is not valid.", fields=wrong)
        return replace(self, name=name, rule=rule)


@dataclass(frozen=True, slots=True)
class RunView:
    """What became of one time: how late it was begun, and how many desktops were changed, left as they were, refused."""

    id: str
    schedule_id: str
    schedule_name: str
    due_at: datetime
    status: RunStatus
    started_at: datetime
    ended_at: datetime | None
    begun: int
    untouched: int
    refused: int
    problem: str | None

    @property
    def late_seconds(self) -> float:
        """How long after it was due it was begun, or found too late."""
        return max(0.0, (self.started_at - self.due_at).total_seconds())


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule, when it is due next, and its latest run. ``subject_name`` None: what it is for is gone."""

    id: str
    name: str
    rule: str
    time_zone: str
    action: Deed
    subject_kind: SubjectKind
    subject_id: str
    subject_name: str | None
    leaves_connected: bool
    catch_up_minutes: int
    next_at: datetime | None
    is_paused: bool
    is_late: bool
    latest: RunView | None
    created_at: datetime

    def as_wish(self) -> ScheduleWish:
        """What would be asked for to have it as it is."""
        return ScheduleWish(
            name=self.name,
            rule=self.rule,
            action=self.action,
            subject_kind=self.subject_kind,
            subject_id=self.subject_id,
            time_zone=self.time_zone,
            leaves_connected=self.leaves_connected,
            catch_up_minutes=self.catch_up_minutes,
        )
