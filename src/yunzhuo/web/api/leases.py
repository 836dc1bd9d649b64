"""Leases: for how long desktops are given, putting ends off, the bin, and what ends when."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import lease_models as models
from yunzhuo.web.api.desktops import of_visible_desktop
from yunzhuo.web.api.models import Desktop
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("leases", __name__, tag="Leases")


@blueprint.get("/leases")
@blueprint.auth_required(bearer)
@blueprint.output(models.TermsList)
@blueprint.doc(responses=refusals(401, 403))
def index() -> models.TermsList:
    """List for how long the desktops of the organization and of its pools are given"""
    return models.TermsList(items=[models.Terms.of(each) for each in services().leases.terms(actor())])


@blueprint.put("/leases/<subject_id>")
@blueprint.auth_required(bearer)
@blueprint.input(models.AskedTerms)
@blueprint.output(models.Terms)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404))
def put(subject_id: str, json_data: models.AskedTerms) -> models.Terms:
    """Say for how long desktops of the organization, or of a pool, are given"""
    kept = services().leases.put_terms(actor(), subject_id, json_data.wish(), for_present=json_data.for_present)
    return models.Terms.of(kept)


@blueprint.delete("/leases/<subject_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404))
def drop(subject_id: str) -> tuple[str, HTTPStatus]:
    """Let what holds elsewhere hold again; ends that were given stay"""
    services().leases.drop_terms(actor(), subject_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/leases/calendar")
@blueprint.auth_required(bearer)
@blueprint.input(models.CalendarQuery, location="query")
@blueprint.output(models.EndingList)
@blueprint.doc(responses=refusals(401, 403, 422))
def calendar(query_data: models.CalendarQuery) -> models.EndingList:
    """List what ends when"""
    found = services().leases.calendar(actor(), query_data.since, query_data.until)
    return models.EndingList(items=[models.Ending.model_validate(each) for each in found])


@blueprint.post("/desktops/<desktop_id>/extend")
@blueprint.auth_required(bearer)
@blueprint.output(Desktop)
@blueprint.doc(responses=refusals(401, 403, 404, 409))
def extend(desktop_id: str) -> Desktop:
    """Put the end of a desktop off

    People may from the first warning on, as often as the terms say.
    """
    return Desktop.of(services().leases.extend(actor(), desktop_id))


@blueprint.put("/desktops/<desktop_id>/end")
@blueprint.auth_required(bearer)
@of_visible_desktop
@blueprint.input(models.AskedEnd)
@blueprint.output(Desktop)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def set_end(desktop_id: str, json_data: models.AskedEnd) -> Desktop:
    """Say when a desktop ends"""
    return Desktop.of(services().leases.set_end(actor(), desktop_id, json_data.ends_at))


@blueprint.post("/desktops/<desktop_id>/undelete")
@blueprint.auth_required(bearer)
@blueprint.output(Desktop)
@blueprint.doc(responses=refusals(401, 403, 404, 409))
def undelete(desktop_id: str) -> Desktop:
    """Take a desktop out of the bin; it is stopped then"""
    return Desktop.of(services().bin.undelete(actor(), desktop_id))
