"""Schedules: what is done by itself, what is due, what ran and what failed; with the scheduler's own timers."""

from collections.abc import Callable

from flask import request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached
from yunzhuo.services.access import scope_of
from yunzhuo.services.accounts import time_zones
from yunzhuo.services.rules.schedules import DEFAULT_CATCH_UP, Deed, SubjectKind
from yunzhuo.services.schedules import UTC_ZONE, ScheduleView, ScheduleWish
from yunzhuo.web.portal import messages, schedule_words
from yunzhuo.web.portal.forms import ScheduleForm
from yunzhuo.web.portal.pages import back_to, blueprint, for_those_who, notice, page, require_token, saved
from yunzhuo.webkit import actor, services, sessions
from yunzhuo.webkit.statuses import STATUS

_LATEST = 30


@blueprint.get("/admin/schedules")
@for_those_who("schedule:read")
def schedule_list() -> Response:
    """The schedules, the latest runs, and for those who run the installation its timers."""
    all_services, person = services(), actor()
    return page(
        "admin/schedules.html",
        schedules=all_services.schedules.list(person),
        runs=all_services.schedules.runs(person, limit=_LATEST),
        timers=all_services.timers.list(person) if scope_of(person, "timer:read") is not None else None,
    )


@blueprint.get("/admin/schedules/new")
@for_those_who("schedule:create")
def new_schedule() -> Response:
    """What a new schedule is to be."""
    user = sessions.current_user()
    minutes = int(DEFAULT_CATCH_UP.total_seconds() // 60)
    zone = (user.time_zone if user else None) or UTC_ZONE
    return _new_page(ScheduleForm(formdata=None, time_zone=zone, leaves_connected=True, catch_up_minutes=minutes))


@blueprint.post("/admin/schedules")
@for_those_who("schedule:create")
def make_schedule() -> Response:
    """Make a schedule."""
    form = ScheduleForm()
    return _asked(form, lambda: services().schedules.create(actor(), _wish(form)), lambda status: _new_page(form, status))


@blueprint.get("/admin/schedules/<schedule_id>")
@for_those_who("schedule:read")
def schedule(schedule_id: str) -> Response:
    """One schedule: what it is, and what became of it."""
    view = services().schedules.get(actor(), schedule_id)
    return _page(view, _form_of(view))


@blueprint.post("/admin/schedules/<schedule_id>")
@for_those_who("schedule:update")
def change_schedule(schedule_id: str) -> Response:
    """Change what it is, do it now, pause or resume it, or delete it."""
    schedules, person = services().schedules, actor()
    here = url_for("portal.schedule", schedule_id=schedule_id)
    match request.form.get("change"):
        case "settings":
            view, form = schedules.get(person, schedule_id), ScheduleForm()
            return _asked(
                form,
                lambda: schedules.change(person, schedule_id, lambda _present: _wish(form)),
                lambda status: _page(view, form, status),
            )
        case "run":
            require_token()
            return saved(lambda: schedules.run(person, schedule_id), here)
        case "pause":
            require_token()
            return saved(lambda: schedules.pause(person, schedule_id), here)
        case "resume":
            require_token()
            return saved(lambda: schedules.resume(person, schedule_id), here)
        case "delete":
            require_token()
            return saved(lambda: schedules.delete(person, schedule_id), url_for("portal.schedule_list"))
        case _:
            raise InvalidInput("There is no such change.", fields={"change": "settings, run, pause, resume or delete"})


def _asked(form: ScheduleForm, wish: Callable[[], ScheduleView], again: Callable[[int], Response]) -> Response:
    """Ask for what the form says, and go to the schedule; what is refused stands in the form."""
    _known_choices(form)
    if form.validate_on_submit():
        try:
            made = wish()
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except (Conflict, LimitReached) as error:
            form.refuse(messages.refusal(error))
        else:
            notice("good", gettext("Saved."))
            return back_to(url_for("portal.schedule", schedule_id=made.id))
    return again(STATUS[InvalidInput])


def _wish(form: ScheduleForm) -> ScheduleWish:
    kind, _, subject_id = (form.subject.data or "").partition(":")
    if kind not in set(SubjectKind) or form.action.data not in set(Deed):
        raise InvalidInput("The schedule is not valid.", fields={"subject": "pool:ID or group:ID"})
    return ScheduleWish(
        name=form.name.data,
        rule=form.rule.data,
        action=Deed(form.action.data),
        subject_kind=SubjectKind(kind),
        subject_id=subject_id,
        time_zone=form.time_zone.data or UTC_ZONE,
        leaves_connected=bool(form.leaves_connected.data),
        catch_up_minutes=form.catch_up_minutes.data,
    )


def _form_of(view: ScheduleView) -> ScheduleForm:
    return ScheduleForm(
        formdata=None,
        name=view.name,
        action=view.action,
        subject=f"{view.subject_kind}:{view.subject_id}",
        rule=view.rule,
        time_zone=view.time_zone,
        leaves_connected=view.leaves_connected,
        catch_up_minutes=view.catch_up_minutes,
    )


def _new_page(form: ScheduleForm, status: int = 200) -> Response:
    _known_choices(form)
    return page("admin/new_schedule.html", status, form=form, **_choices())


def _page(view: ScheduleView, form: ScheduleForm, status: int = 200) -> Response:
    _known_choices(form)
    runs = services().schedules.runs(actor(), view.id, limit=_LATEST)
    return page("admin/schedule.html", status, schedule=view, runs=runs, form=form, **_choices())


def _known_choices(form: ScheduleForm) -> None:
    """What can be done, and to whose desktops."""
    all_services, person = services(), actor()
    form.action.choices = [(str(each), words) for each, words in schedule_words.DEEDS.items()]
    pools = all_services.pools.list(person) if scope_of(person, "pool:read") is not None else ()
    groups = all_services.groups.list(person) if scope_of(person, "group:read") is not None else ()
    form.subject.choices = [
        *((f"pool:{each.id}", gettext("Pool %(name)s", name=each.name)) for each in pools),
        *((f"group:{each.id}", gettext("Group %(name)s", name=each.name)) for each in groups),
    ]


def _choices() -> dict[str, object]:
    return {"zones": [UTC_ZONE, *sorted(time_zones())], "examples": schedule_words.EXAMPLES}
