"""Many people at once: taken in from a list, taken away as a list, changed together."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response, request

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.list_files import MEDIA_TYPES
from yunzhuo.services.people import DesktopsOfDeleted
from yunzhuo.services.people_import import PersonOutcome
from yunzhuo.web.api import admin_models
from yunzhuo.web.api import record_models as models
from yunzhuo.web.api.operation_models import Refusal
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals
from yunzhuo.webkit.statuses import problem_of

blueprint = APIBlueprint("people_lists", __name__, tag="Lists of users")
_BYTES: Any = {"schema": {"type": "string", "format": "binary"}}
_FILE: Any = {"description": "The list.", "content": {kind.partition(";")[0]: _BYTES for kind in MEDIA_TYPES.values()}}


@blueprint.get("/user-lists/template")
@blueprint.auth_required(bearer)
@blueprint.input(models.ListQuery, location="query")
@blueprint.doc(responses=refusals(401, 422, also={200: _FILE}))
def template(query_data: models.ListQuery) -> Response:
    """Get a list with its columns and an example"""
    return Response(services().people_import.template(query_data.kind), content_type=MEDIA_TYPES[query_data.kind])


@blueprint.get("/user-lists")
@blueprint.auth_required(bearer)
@blueprint.input(models.ListQuery, location="query")
@blueprint.doc(responses=refusals(401, 403, 422, also={200: _FILE}))
def export(query_data: models.ListQuery) -> Response:
    """Take the accounts away as a list"""
    return Response(services().people_import.export(actor(), query_data.kind), content_type=MEDIA_TYPES[query_data.kind])


@blueprint.post("/user-lists")
@blueprint.auth_required(bearer)
@blueprint.input(models.ImportQuery, location="query")
@blueprint.output(models.Import)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def take_in(query_data: models.ImportQuery) -> models.Import:
    """Make the accounts of a list, all of them or none

    The body is the file as it is. Each account gets a one-time password, told this once.
    """
    report = services().people_import.run(actor(), request.get_data(), query_data.kind, dry_run=query_data.dry_run)
    return models.Import(
        lines=[models.ImportLine.model_validate(line) for line in report.lines],
        made=[admin_models.Access.of(access) for access in report.made],
    )


@blueprint.post("/user-actions")
@blueprint.auth_required(bearer)
@blueprint.input(models.ManyPeople)
@blueprint.output(models.PeopleOutcomes)
@blueprint.doc(responses=refusals(*BODY, 401, 403))
def change_many(json_data: models.ManyPeople) -> models.PeopleOutcomes:
    """Disable, enable, reset or delete several accounts

    One that is refused keeps no other back.
    """
    outcomes = services().people_import.change_many(actor(), json_data.ids, json_data.change, _answer(json_data))
    return models.PeopleOutcomes(items=[_outcome(outcome) for outcome in outcomes])


def _answer(wish: models.ManyPeople) -> DesktopsOfDeleted | None:
    if wish.desktops is admin_models.DesktopsAnswer.HAND_OVER and not wish.to:
        raise InvalidInput("It is not said who gets the desktops.", fields={"to": "The id of their new owner."})
    if wish.desktops is None:
        return None
    return DesktopsOfDeleted(wish.to if wish.desktops is admin_models.DesktopsAnswer.HAND_OVER else None)


def _outcome(outcome: PersonOutcome) -> models.PersonOutcome:
    problem = problem_of(outcome.refusal) if outcome.refusal else None
    return models.PersonOutcome(
        user_id=outcome.user_id,
        problem=Refusal(status=problem.status, code=problem.code, detail=problem.detail) if problem else None,
        one_time_password=outcome.access.one_time_password if outcome.access else None,
    )
