"""What screens allow, for whom."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import policy_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("policies", __name__, tag="Screen policies")


@blueprint.get("/policies")
@blueprint.auth_required(bearer)
@blueprint.output(models.PolicyList)
@blueprint.doc(responses=refusals(401, 403))
def index() -> models.PolicyList:
    """List what is said of screens, for whom

    What nobody says is as the settings `[consoles]` say. Where several have a say, the strictest word counts.
    """
    return models.PolicyList(items=[models.Policy.model_validate(each) for each in services().policies.list(actor())])


@blueprint.put("/policies")
@blueprint.auth_required(bearer)
@blueprint.input(models.PolicyChange)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404))
def put(json_data: models.PolicyChange) -> tuple[str, HTTPStatus]:
    """Say what somebody's screens allow

    It takes the place of what was said before; saying nothing takes the policy away. Screens that are open stay as they are.
    """
    services().policies.put(actor(), json_data.subject, json_data.subject_id, json_data.says.model_dump(exclude_none=True))
    return "", HTTPStatus.NO_CONTENT
