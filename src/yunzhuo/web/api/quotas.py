"""How much there is for whom, and how much was used."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import record_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("quotas", __name__, tag="Quotas and usage")


@blueprint.get("/quotas/mine")
@blueprint.auth_required(bearer)
@blueprint.output(models.AllowanceList)
@blueprint.doc(responses=refusals(401, 403))
def mine() -> models.AllowanceList:
    """Say how much is left for oneself

    Of each resource the limit that has the least left.
    """
    found = services().quotas.mine(actor())
    return models.AllowanceList(items=[models.Allowance.model_validate(each) for each in found])


@blueprint.get("/users/<user_id>/quotas")
@blueprint.auth_required(bearer)
@blueprint.output(models.AllowanceList)
@blueprint.doc(responses=refusals(401, 403, 404))
def of_user(user_id: str) -> models.AllowanceList:
    """Say all that limits a person"""
    found = services().quotas.of_user(actor(), user_id)
    return models.AllowanceList(items=[models.Allowance.model_validate(each) for each in found])


@blueprint.get("/quotas")
@blueprint.auth_required(bearer)
@blueprint.output(models.QuotaList)
@blueprint.doc(responses=refusals(401, 403))
def index() -> models.QuotaList:
    """List the quotas that were set"""
    return models.QuotaList(items=[models.Quota.model_validate(each) for each in services().quotas.list(actor())])


@blueprint.put("/quotas")
@blueprint.auth_required(bearer)
@blueprint.input(models.QuotaChange)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404))
def put(json_data: models.QuotaChange) -> tuple[str, HTTPStatus]:
    """Say how much of a resource somebody may have

    What is there already stays. An organization's own quotas are for operators to set.
    """
    services().quotas.put(actor(), json_data.subject, json_data.subject_id, json_data.resource, json_data.most)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/usage")
@blueprint.auth_required(bearer)
@blueprint.input(models.UsageQuery, location="query")
@blueprint.output(models.Usage)
@blueprint.doc(responses=refusals(401, 403, 422))
def usage(query_data: models.UsageQuery) -> models.Usage:
    """Say what was used day by day

    One's own; administrators: everybody's together, or one person's.
    """
    found = services().usage.days(actor(), days=query_data.days, user_id=query_data.user)
    return models.Usage(items=[models.DayUsage.model_validate(day) for day in found])
