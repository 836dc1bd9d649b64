"""Snapshots of a desktop: listed, made, rolled back to, deleted. Each change is an operation of the desktop."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import models, snapshot_models
from yunzhuo.web.api.desktops import AcceptedAnswer, accepted_answer, of_visible_desktop
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("snapshots", __name__, tag="Snapshots")


@blueprint.get("/desktops/<desktop_id>/snapshots")
@blueprint.auth_required(bearer)
@blueprint.output(snapshot_models.SnapshotList)
@blueprint.doc(responses=refusals(401, 404))
def index(desktop_id: str) -> snapshot_models.SnapshotList:
    """List a desktop's snapshots, the newest first"""
    return snapshot_models.SnapshotList.of(services().snapshots.list(actor(), desktop_id))


@blueprint.post("/desktops/<desktop_id>/snapshots")
@blueprint.auth_required(bearer)
@of_visible_desktop
@blueprint.input(snapshot_models.NewSnapshot)
@blueprint.output(models.Accepted, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(*BODY, 401, 404, 409))
def create(desktop_id: str, json_data: snapshot_models.NewSnapshot) -> AcceptedAnswer:
    """Keep a desktop's present state under a name

    Of a running desktop the memory is kept, too, where the cloud can.
    """
    return accepted_answer(services().snapshots.create(actor(), desktop_id, json_data.name))


@blueprint.post("/desktops/<desktop_id>/snapshots/<snapshot_id>/roll-back")
@blueprint.auth_required(bearer)
@blueprint.output(models.Accepted, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(401, 404, 409))
def roll_back(desktop_id: str, snapshot_id: str) -> AcceptedAnswer:
    """Return to a snapshot

    What was changed since then is lost; the snapshot stays, as do the others.
    """
    return accepted_answer(services().snapshots.roll_back(actor(), desktop_id, snapshot_id))


@blueprint.delete("/desktops/<desktop_id>/snapshots/<snapshot_id>")
@blueprint.auth_required(bearer)
@blueprint.output(models.Accepted, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(401, 404, 409))
def delete(desktop_id: str, snapshot_id: str) -> AcceptedAnswer:
    """Delete a snapshot"""
    return accepted_answer(services().snapshots.delete(actor(), desktop_id, snapshot_id))
