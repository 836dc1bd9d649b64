"""Roll-outs: another image for a pool, a share at a time, with pauses and a way back."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import rollout_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("rollouts", __name__, tag="Roll-outs")


@blueprint.get("/pools/<pool_id>/rollout")
@blueprint.auth_required(bearer)
@blueprint.output(models.RolloutAnswer)
@blueprint.doc(responses=refusals(401, 403, 404))
def show(pool_id: str) -> models.RolloutAnswer:
    """Show a pool's latest roll-out"""
    found = services().rollouts.get(actor(), pool_id)
    return models.RolloutAnswer(rollout=models.Rollout.of(found) if found is not None else None)


@blueprint.post("/pools/<pool_id>/rollout")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewRollout)
@blueprint.output(models.Rollout, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def start(pool_id: str, json_data: models.NewRollout) -> models.Rollout:
    """Begin to bring a pool to another image

    Spares first, a new one before an old one goes. What people have of a floating pool is replaced when they give it back; a
    dedicated desktop is put onto it when its person was told and nobody is connected. It stops by itself when new ones fail.
    """
    return models.Rollout.of(services().rollouts.start(actor(), pool_id, json_data.image, json_data.pace()))


@blueprint.post("/pools/<pool_id>/rollout/pause")
@blueprint.auth_required(bearer)
@blueprint.output(models.Rollout)
@blueprint.doc(responses=refusals(401, 403, 404, 409))
def pause(pool_id: str) -> models.Rollout:
    """Let a roll-out rest

    What has begun comes to its end; what is built from then on is of the image before.
    """
    return models.Rollout.of(services().rollouts.pause(actor(), pool_id))


@blueprint.post("/pools/<pool_id>/rollout/resume")
@blueprint.auth_required(bearer)
@blueprint.output(models.Rollout)
@blueprint.doc(responses=refusals(401, 403, 404, 409))
def resume(pool_id: str) -> models.Rollout:
    """Let a roll-out go on that rests, or that stopped by itself"""
    return models.Rollout.of(services().rollouts.resume(actor(), pool_id))


@blueprint.post("/pools/<pool_id>/rollout/advance")
@blueprint.auth_required(bearer)
@blueprint.input(models.Advance)
@blueprint.output(models.Rollout)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def advance(pool_id: str, json_data: models.Advance) -> models.Rollout:
    """Go on to a roll-out's next stage"""
    return models.Rollout.of(services().rollouts.advance(actor(), pool_id, json_data.from_stage))


@blueprint.post("/pools/<pool_id>/rollout/back")
@blueprint.auth_required(bearer)
@blueprint.output(models.Rollout)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 422))
def back(pool_id: str) -> models.Rollout:
    """Bring a pool back to the image that it had before its latest roll-out"""
    return models.Rollout.of(services().rollouts.back(actor(), pool_id))
