"""When desktops end: one's own, everybody's as a calendar, for how long they are given; and the bin."""

from calendar import Calendar
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from flask import request, url_for
from flask_babel import get_timezone, gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached
from yunzhuo.services.access import Scope, scope_of
from yunzhuo.services.leases import Ending
from yunzhuo.services.rules.leases import Terms
from yunzhuo.services.rules.lifecycle import Action, State
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.pages import back_to, blueprint, for_those_who, notice, page, require_token, saved
from yunzhuo.webkit import actor, services, sessions

# How many endings of a day are named in its field.
_NAMED = 3
_LOCAL = "%Y-%m-%dT%H:%M"


@dataclass(frozen=True, slots=True)
class Day:
    """A field of the calendar."""

    day: date
    is_of_month: bool
    is_today: bool
    endings: Sequence[Ending] = field(default_factory=list)

    @property
    def named(self) -> Sequence[Ending]:
        """Those that have room in the field."""
        return self.endings[:_NAMED]

    @property
    def others(self) -> int:
        """How many more there are."""
        return len(self.endings) - len(self.named)


@blueprint.get("/bin")
@sessions.signed_in
def bin_list() -> Response:
    """What was deleted or has ended, and can still be had back."""
    found = services().desktops.list(actor(), state=State.BINNED, cursor=request.args.get("cursor") or None)
    return page("bin.html", found=found)


@blueprint.post("/bin/<desktop_id>")
@sessions.signed_in
def change_binned(desktop_id: str) -> Response:
    """Take a desktop out of the bin, or delete it for good."""
    require_token()
    person, here = actor(), url_for("portal.bin_list")
    match request.form.get("change"):
        case "undelete":
            return _told(
                lambda: services().bin.undelete(person, desktop_id), here, gettext("It is out of the bin, and stopped.")
            )
        case "delete":
            deleted = gettext("It is being deleted for good.")
            return _told(lambda: services().desktops.act(person, desktop_id, Action.DELETE, for_good=True), here, deleted)
        case _:
            raise InvalidInput("There is no such change.", fields={"change": "undelete or delete"})


@blueprint.get("/desktops/<desktop_id>/lease")
@sessions.signed_in
def lease(desktop_id: str) -> Response:
    """When a desktop ends, and what can be done about it."""
    view = services().desktops.get(actor(), desktop_id)
    ends_at = view.ends_at.astimezone(get_timezone()).strftime(_LOCAL) if view.ends_at else ""
    is_unlimited = scope_of(actor(), "desktop:extend") in (Scope.ORGANIZATION, Scope.INSTALLATION)
    return page("lease.html", desktop=view, ends_at=ends_at, is_unlimited=is_unlimited)


@blueprint.post("/desktops/<desktop_id>/lease")
@sessions.signed_in
def change_lease(desktop_id: str) -> Response:
    """Put the end off, or say when it is."""
    require_token()
    leases, person, here = services().leases, actor(), url_for("portal.lease", desktop_id=desktop_id)
    match request.form.get("change"):
        case "extend":
            return _told(lambda: leases.extend(person, desktop_id), here, gettext("The end is put off."))
        case "end":
            return saved(lambda: leases.set_end(person, desktop_id, _moment(request.form.get("ends_at", ""))), here)
        case _:
            raise InvalidInput("There is no such change.", fields={"change": "extend or end"})


@blueprint.get("/admin/leases")
@for_those_who("lease:read")
def lease_terms() -> Response:
    """For how long the desktops of the organization and of its pools are given."""
    return page("admin/leases.html", several=services().leases.terms(actor()))


@blueprint.post("/admin/leases")
@for_those_who("lease:update")
def change_terms() -> Response:
    """Say it for one of them, or let what holds elsewhere hold again."""
    require_token()
    leases, person, asked, here = services().leases, actor(), request.form, url_for("portal.lease_terms")
    subject_id = asked.get("subject", "")
    if asked.get("change") == "drop":
        return saved(lambda: leases.drop_terms(person, subject_id), here)
    for_present = asked.get("for_present") == "yes"
    return saved(lambda: leases.put_terms(person, subject_id, _terms(asked), for_present=for_present), here)


@blueprint.get("/admin/calendar")
@for_those_who("lease:read")
def ending_calendar() -> Response:
    """A month, and what ends on its days by the clocks of whoever looks."""
    today = datetime.now(UTC).astimezone(get_timezone()).date()
    first = _month(request.args.get("month", ""), today)
    following = (first + timedelta(days=32)).replace(day=1)
    weeks, zone = Calendar().monthdatescalendar(first.year, first.month), get_timezone()
    begin, end = (datetime.combine(day, time(), zone) for day in (weeks[0][0], weeks[-1][-1] + timedelta(days=1)))
    by_day: dict[date, list[Ending]] = {}
    for each in services().leases.calendar(actor(), begin, end):
        by_day.setdefault(each.at.astimezone(zone).date(), []).append(each)
    return page(
        "admin/calendar.html",
        first=first,
        weeks=[[Day(day, day.month == first.month, day == today, by_day.get(day, [])) for day in week] for week in weeks],
        before=(first - timedelta(days=1)).strftime("%Y-%m"),
        after=following.strftime("%Y-%m"),
        is_busy=any(day.month == first.month for day in by_day),
        chosen=_chosen(request.args.get("day", ""), by_day),
    )


def _chosen(text: str, by_day: Mapping[date, Sequence[Ending]]) -> tuple[date, Sequence[Ending]] | None:
    """The day of which everything is told."""
    found = next((day for day in by_day if day.isoformat() == text), None)
    return (found, by_day[found]) if found is not None else None


def _month(text: str, today: date) -> date:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date() if text else today.replace(day=1)
    except ValueError:
        return today.replace(day=1)


def _terms(asked: Mapping[str, str]) -> Terms:
    """What the form says; what is no number is nobody's terms."""
    fields = {name: asked.get(name, "").strip() for name in ("days", "extend_days", "extend_times", "bin_days")}
    hours = [each.strip() for each in asked.get("warn_hours", "").replace("，", ",").split(",") if each.strip()]
    wrong = {name: "A number." for name, text in fields.items() if not text.isdecimal() and (text or name != "days")}
    if not all(each.isdecimal() for each in hours):
        wrong["warn_hours"] = "Numbers."
    if wrong:
        raise InvalidInput("The terms are not valid.", fields=wrong)
    return Terms(
        days=int(fields["days"][:9]) if fields["days"] else None,
        extend_days=int(fields["extend_days"][:9]),
        extend_times=int(fields["extend_times"][:9]),
        warn_hours=tuple(int(each[:9]) for each in hours),
        bin_days=int(fields["bin_days"][:9]),
    )


def _moment(text: str) -> datetime | None:
    """The time that was chosen, by the clocks of whoever chose it; None for nothing."""
    if not text:
        return None
    try:
        chosen = datetime.strptime(text, _LOCAL)  # noqa: DTZ007 # its zone is the person's
        return chosen.replace(tzinfo=get_timezone()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput("The end is not valid.", fields={"ends_at": "A time."}) from error


def _told(change: Callable[[], object], here: str, done: str) -> Response:
    try:
        change()
    except (Conflict, LimitReached) as error:
        notice("bad", messages.refusal(error))
    else:
        notice("good", done)
    return back_to(here)
