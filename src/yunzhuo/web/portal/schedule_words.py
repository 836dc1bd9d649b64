"""What pages say of schedules and timers."""

from collections.abc import Mapping
from datetime import timedelta

from flask_babel import format_timedelta, gettext, lazy_gettext, ngettext
from flask_babel.speaklater import LazyString

from yunzhuo.services.rules.schedules import Deed, RunStatus, SubjectKind
from yunzhuo.services.schedules import RunView, ScheduleView

REFUSALS: Mapping[str, LazyString] = {
    "schedule_name_taken": lazy_gettext("There is a schedule of this name already."),
    "schedule_is_running": lazy_gettext("This schedule is being done already."),
    "too_many_schedules": lazy_gettext("There are %(limit)s schedules already. Delete one first."),
}
FIELDS: Mapping[str, LazyString] = {
    "rule": lazy_gettext("Five parts as cron has them: minute, hour, day, month, weekday. For example: 0 22 * * 1-5"),
    "subject": lazy_gettext("Choose a pool or a group."),
    "catch_up_minutes": lazy_gettext("A number of minutes up to a week."),
}
DEEDS: Mapping[Deed, LazyString] = {
    Deed.START: lazy_gettext("Start desktops"),
    Deed.STOP: lazy_gettext("Stop desktops"),
    Deed.SUSPEND: lazy_gettext("Suspend desktops"),
}
_STATUSES: Mapping[RunStatus, LazyString] = {
    RunStatus.RUNNING: lazy_gettext("Going on"),
    RunStatus.SUCCEEDED: lazy_gettext("Done"),
    RunStatus.PARTLY: lazy_gettext("Partly done"),
    RunStatus.FAILED: lazy_gettext("Failed"),
    RunStatus.MISSED: lazy_gettext("Missed"),
}
# Rules that many want; any other is written by hand.
EXAMPLES: Mapping[str, LazyString] = {
    "0 7 * * 1-5": lazy_gettext("Monday to Friday at 7:00"),
    "0 18 * * 1-5": lazy_gettext("Monday to Friday at 18:00"),
    "0 22 * * *": lazy_gettext("Every day at 22:00"),
    "30 6 1 * *": lazy_gettext("On the first of the month at 6:30"),
}
_TIMERS: Mapping[str, LazyString] = {
    "admission": lazy_gettext("Whose turn it is in the queue"),
    "audit": lazy_gettext("Seals the audit log"),
    "beats": lazy_gettext("Reports how timers keep time"),
    "catalog": lazy_gettext("Looks for new images and sizes"),
    "cleanup": lazy_gettext("Forgets what is old"),
    "disks": lazy_gettext("Looks after personal disks"),
    "due": lazy_gettext("Wakes what is due"),
    "guesses": lazy_gettext("Watches for guessed passwords"),
    "leases": lazy_gettext("Warns of ends, and empties the bin"),
    "license": lazy_gettext("Watches the license"),
    "mail": lazy_gettext("Sends letters"),
    "pools": lazy_gettext("Keeps pools' spares"),
    "queue": lazy_gettext("Watches the queue of jobs"),
    "notices": lazy_gettext("Hears what the cloud tells by itself"),
    "reconcile": lazy_gettext("Compares desktops with the cloud"),
    "renewal": lazy_gettext("Renews the license"),
    "schedules": lazy_gettext("Does what schedules say"),
    "screens": lazy_gettext("Watches open screens"),
    "usage": lazy_gettext("Counts what is used"),
}


def deed(found: Deed) -> str:
    """What a schedule does, in words."""
    return str(DEEDS[found])


def subject(view: ScheduleView) -> str:
    """Whose desktops a schedule is about."""
    if view.subject_name is None:
        return str(gettext("What it was for is gone"))
    if view.subject_kind is SubjectKind.POOL:
        return str(gettext("Pool %(name)s", name=view.subject_name))
    return str(gettext("Group %(name)s", name=view.subject_name))


def status(run: RunView) -> str:
    """How a run ended, in a word."""
    return str(_STATUSES[run.status])


def outcome(run: RunView) -> str:
    """How many desktops a run changed, and how many not."""
    if run.status is RunStatus.MISSED:
        return str(gettext("Nobody looked in time."))
    parts = [ngettext("%(num)s desktop changed", "%(num)s desktops changed", run.begun)]
    if run.untouched:
        parts.append(ngettext("%(num)s left as it was", "%(num)s left as they were", run.untouched))
    if run.refused:
        parts.append(ngettext("%(num)s refused", "%(num)s refused", run.refused))
    return " · ".join(map(str, parts))


def lateness(seconds: float) -> str:
    """How late something was, as “2 hours”."""
    return str(format_timedelta(timedelta(seconds=seconds)))


def rule(text: str) -> str:
    """A rule in words, where it is a common one."""
    return str(EXAMPLES.get(text, text))


def timer(name: str) -> str:
    """What a timer is for."""
    return str(_TIMERS.get(name, name))
