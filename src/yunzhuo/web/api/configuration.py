"""Pools, schedules and quotas as one document: told, compared, applied."""

from apiflask import APIBlueprint

from yunzhuo.web.api import configuration_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("configuration", __name__, tag="Configuration")


@blueprint.get("/configuration")
@blueprint.auth_required(bearer)
@blueprint.output(models.Document)
@blueprint.doc(responses=refusals(401, 403))
def export() -> models.Document:
    """Tell the organization's pools, schedules and quotas as a document

    What one may not see is left out. To apply the document changes nothing.
    """
    return models.Document.model_validate(services().configuration.export(actor()))


@blueprint.post("/configuration/plan")
@blueprint.auth_required(bearer)
@blueprint.input(models.Planning)
@blueprint.output(models.Configuration)
@blueprint.doc(responses=refusals(*BODY, 401, 403))
def plan(json_data: models.Planning) -> models.Configuration:
    """Tell what applying a document would do

    Nothing is done. What a document does not mention is left alone. `errors` names all that is wrong with it, each at its
    place: `pools.0.capacity`.
    """
    document = json_data.document.model_dump(exclude_none=True)
    return models.Configuration.of(services().configuration.plan(actor(), document, prune=json_data.prune))


@blueprint.post("/configuration/apply")
@blueprint.auth_required(bearer)
@blueprint.input(models.Applying)
@blueprint.output(models.Configuration)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def apply(json_data: models.Applying) -> models.Configuration:
    """Make a document true, all of it or nothing

    What is done is what the plan of this fingerprint told; when that is not what has to be done any more, it is 409. Each
    piece needs the right that it needs by hand.
    """
    document = json_data.document.model_dump(exclude_none=True)
    done = services().configuration.apply(actor(), document, json_data.fingerprint, prune=json_data.prune)
    return models.Configuration.of(done)
