"""Pools: for administrators what they are, for their people a desktop of one."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import pool_models as models
from yunzhuo.web.api.desktops import AcceptedAnswer, accepted_answer
from yunzhuo.web.api.models import Accepted
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("pools", __name__, tag="Pools")


@blueprint.get("/pools")
@blueprint.auth_required(bearer)
@blueprint.output(models.PoolList)
@blueprint.doc(responses=refusals(401, 403))
def index() -> models.PoolList:
    """List the organization's pools and what their desktops do"""
    return models.PoolList(items=[models.Pool.of(each) for each in services().pools.list(actor())])


@blueprint.post("/pools")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewPool)
@blueprint.output(models.Pool, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def create(json_data: models.NewPool) -> models.Pool:
    """Make a pool

    Its spares are built from then on.
    """
    return models.Pool.of(services().pools.create(actor(), json_data.wish()))


@blueprint.get("/pools/<pool_id>")
@blueprint.auth_required(bearer)
@blueprint.output(models.Pool)
@blueprint.doc(responses=refusals(401, 403, 404))
def show(pool_id: str) -> models.Pool:
    """Show a pool"""
    return models.Pool.of(services().pools.get(actor(), pool_id))


@blueprint.patch("/pools/<pool_id>")
@blueprint.auth_required(bearer)
@blueprint.input(models.PoolChange)
@blueprint.output(models.Pool)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def change(pool_id: str, json_data: models.PoolChange) -> models.Pool:
    """Change a pool

    With another image, flavor, network or other security groups its spares are replaced at once; desktops that people have stay
    as they are. To bring another image in step by step there are roll-outs.
    """
    return models.Pool.of(services().pools.change(actor(), pool_id, json_data.applied))


@blueprint.delete("/pools/<pool_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404))
def delete(pool_id: str) -> tuple[str, HTTPStatus]:
    """Delete a pool and its spares; people keep the desktops they have"""
    services().pools.delete(actor(), pool_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/pools/<pool_id>/members")
@blueprint.auth_required(bearer)
@blueprint.output(models.PoolMemberList)
@blueprint.doc(responses=refusals(401, 403, 404))
def members(pool_id: str) -> models.PoolMemberList:
    """List who may have a desktop of a pool"""
    found = services().pools.members(actor(), pool_id)
    return models.PoolMemberList(items=[models.PoolMember.model_validate(each) for each in found])


@blueprint.put("/pools/<pool_id>/members/<holder_id>")
@blueprint.auth_required(bearer)
@blueprint.output(models.PoolMemberList)
@blueprint.doc(responses=refusals(401, 403, 404))
def put_member(pool_id: str, holder_id: str) -> models.PoolMemberList:
    """Let a person, or everybody in a group, have a desktop of a pool"""
    found = services().pools.put_member(actor(), pool_id, holder_id)
    return models.PoolMemberList(items=[models.PoolMember.model_validate(each) for each in found])


@blueprint.delete("/pools/<pool_id>/members/<holder_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404))
def drop_member(pool_id: str, holder_id: str) -> tuple[str, HTTPStatus]:
    """Let a person or a group have none of a pool any more; what they have they keep"""
    services().pools.drop_member(actor(), pool_id, holder_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/pools/<pool_id>/day")
@blueprint.auth_required(bearer)
@blueprint.output(models.PoolDay)
@blueprint.doc(responses=refusals(401, 403, 404))
def day(pool_id: str) -> models.PoolDay:
    """Show what a pool's desktops did today, every five minutes"""
    return models.PoolDay.model_validate(services().pool_history.today(actor(), pool_id))


@blueprint.get("/pools/<pool_id>/times")
@blueprint.auth_required(bearer)
@blueprint.output(models.PoolTimes)
@blueprint.doc(responses=refusals(401, 403, 404))
def times(pool_id: str) -> models.PoolTimes:
    """Show how long it takes until somebody is at their desktop, by phase"""
    return models.PoolTimes.model_validate(services().pool_history.times(actor(), pool_id))


@blueprint.get("/users/me/pools")
@blueprint.auth_required(bearer)
@blueprint.output(models.PoolOfferList)
@blueprint.doc(responses=refusals(401, 403))
def mine() -> models.PoolOfferList:
    """List the pools that one is a member of"""
    found = services().claims.mine(actor())
    return models.PoolOfferList(items=[models.PoolOffer.model_validate(each) for each in found])


@blueprint.post("/pools/<pool_id>/claim")
@blueprint.auth_required(bearer)
@blueprint.output(models.Claim)
@blueprint.doc(responses=refusals(401, 403, 404, 409))
def claim(pool_id: str) -> models.Claim:
    """Get a desktop of a pool

    Asked again, it is the same one. If none stands ready, one is built for the person, and its operation says how far it is.
    """
    return models.Claim.of(services().claims.claim(actor(), pool_id))


@blueprint.post("/pools/<pool_id>/release")
@blueprint.auth_required(bearer)
@blueprint.output(Accepted, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(401, 403, 404, 409))
def release(pool_id: str) -> AcceptedAnswer:
    """Give one's desktop of a floating pool back

    It is deleted with all that is on it; the personal disk is kept.
    """
    return accepted_answer(services().claims.release(actor(), pool_id))
