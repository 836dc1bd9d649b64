"""Schedules: what is done at which times, and what became of it; and how the scheduler keeps time."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import schedule_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("schedules", __name__, tag="Schedules")


@blueprint.get("/schedules")
@blueprint.auth_required(bearer)
@blueprint.output(models.ScheduleList)
@blueprint.doc(responses=refusals(401, 403))
def index() -> models.ScheduleList:
    """List the organization's schedules"""
    return models.ScheduleList(items=[models.Schedule.of(each) for each in services().schedules.list(actor())])


@blueprint.post("/schedules")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewSchedule)
@blueprint.output(models.Schedule, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def create(json_data: models.NewSchedule) -> models.Schedule:
    """Make a schedule"""
    return models.Schedule.of(services().schedules.create(actor(), json_data.wish()))


@blueprint.get("/schedules/<schedule_id>")
@blueprint.auth_required(bearer)
@blueprint.output(models.Schedule)
@blueprint.doc(responses=refusals(401, 403, 404))
def show(schedule_id: str) -> models.Schedule:
    """Show a schedule"""
    return models.Schedule.of(services().schedules.get(actor(), schedule_id))


@blueprint.patch("/schedules/<schedule_id>")
@blueprint.auth_required(bearer)
@blueprint.input(models.ScheduleChange)
@blueprint.output(models.Schedule)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def change(schedule_id: str, json_data: models.ScheduleChange) -> models.Schedule:
    """Change a schedule

    With another rule or time zone it is due by that from now on.
    """
    return models.Schedule.of(services().schedules.change(actor(), schedule_id, json_data.applied))


@blueprint.delete("/schedules/<schedule_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404))
def delete(schedule_id: str) -> tuple[str, HTTPStatus]:
    """Delete a schedule and its history"""
    services().schedules.delete(actor(), schedule_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/schedules/<schedule_id>/runs")
@blueprint.auth_required(bearer)
@blueprint.input(models.RunQuery, location="query")
@blueprint.output(models.ScheduleRunList)
@blueprint.doc(responses=refusals(401, 403, 404, 422))
def runs(schedule_id: str, query_data: models.RunQuery) -> models.ScheduleRunList:
    """List what became of a schedule, the newest first"""
    return models.ScheduleRunList.of(list(services().schedules.runs(actor(), schedule_id, limit=query_data.limit)))


@blueprint.post("/schedules/<schedule_id>/run")
@blueprint.auth_required(bearer)
@blueprint.output(models.ScheduleRun, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(401, 403, 404, 409))
def run(schedule_id: str) -> tuple[models.ScheduleRun, HTTPStatus]:
    """Do now what a schedule does"""
    begun = services().schedules.run(actor(), schedule_id)
    return models.ScheduleRun.model_validate(begun), HTTPStatus.ACCEPTED


@blueprint.post("/schedules/<schedule_id>/pause")
@blueprint.auth_required(bearer)
@blueprint.output(models.Schedule)
@blueprint.doc(responses=refusals(401, 403, 404))
def pause(schedule_id: str) -> models.Schedule:
    """Let a schedule rest

    What falls due meanwhile is not done, nor later.
    """
    return models.Schedule.of(services().schedules.pause(actor(), schedule_id))


@blueprint.post("/schedules/<schedule_id>/resume")
@blueprint.auth_required(bearer)
@blueprint.output(models.Schedule)
@blueprint.doc(responses=refusals(401, 403, 404))
def resume(schedule_id: str) -> models.Schedule:
    """Let a schedule go on with what falls due from now on"""
    return models.Schedule.of(services().schedules.resume(actor(), schedule_id))


@blueprint.get("/timers")
@blueprint.auth_required(bearer)
@blueprint.output(models.TimerList)
@blueprint.doc(responses=refusals(401, 403))
def timers() -> models.TimerList:
    """List the schedulers' own timers and how they keep time"""
    return models.TimerList(items=[models.Timer.model_validate(each) for each in services().timers.list(actor())])
