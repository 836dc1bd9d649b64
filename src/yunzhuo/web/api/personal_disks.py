"""One's own personal disk: made, looked at, brought to a desktop, kept, put back, deleted."""

from http import HTTPStatus

from apiflask import APIBlueprint
from flask import make_response
from werkzeug.wrappers import Response

from yunzhuo.web.api import disk_models, models
from yunzhuo.web.api.desktops import AcceptedAnswer, accepted_answer
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("personal_disk", __name__, tag="Personal disk")


@blueprint.get("/personal-disk")
@blueprint.auth_required(bearer)
@blueprint.output(disk_models.PersonalDisk)
@blueprint.doc(responses=refusals(401, 404))
def show() -> disk_models.PersonalDisk:
    """Show one's own disk, where it is, and its snapshots"""
    return disk_models.PersonalDisk.of(services().personal_disks.get(actor()))


@blueprint.post("/personal-disk")
@blueprint.auth_required(bearer)
@blueprint.input(disk_models.NewDisk)
@blueprint.output(disk_models.PersonalDisk, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 409, 503))
def create(json_data: disk_models.NewDisk) -> disk_models.PersonalDisk:
    """Make one's disk

    Desktops that are made, started or resumed from then on get it, if no other has it.
    """
    return disk_models.PersonalDisk.of(services().personal_disks.create(actor(), size_mib=json_data.size_mib))


@blueprint.delete("/personal-disk")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 404, 409, 503))
def delete() -> tuple[str, int]:
    """Delete one's disk, all files on it, and its snapshots

    Refused while a desktop has it.
    """
    services().personal_disks.delete(actor())
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/personal-disk/usage")
@blueprint.auth_required(bearer)
@blueprint.output(disk_models.Usage)
@blueprint.doc(responses=refusals(401, 404))
def usage() -> disk_models.Usage:
    """Say how full it is"""
    return disk_models.Usage.of(services().personal_disks.usage(actor()))


@blueprint.post("/personal-disk/connect")
@blueprint.auth_required(bearer)
@blueprint.input(disk_models.DiskConnection)
@blueprint.output(models.Accepted, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def connect(json_data: disk_models.DiskConnection) -> AcceptedAnswer:
    """Bring the disk to a desktop, away from where it is

    The operation fails with `volume_in_use` while programs there have files open on it.
    """
    return accepted_answer(services().personal_disks.connect(actor(), json_data.desktop, force=json_data.force))


@blueprint.post("/personal-disk/disconnect")
@blueprint.auth_required(bearer)
@blueprint.input(disk_models.DiskRelease)
@blueprint.output(models.Accepted, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(*BODY, 401, 404, 409))
def disconnect(json_data: disk_models.DiskRelease) -> AcceptedAnswer:
    """Take the disk away from the desktop that has it"""
    return accepted_answer(services().personal_disks.disconnect(actor(), force=json_data.force))


@blueprint.post("/personal-disk/snapshots")
@blueprint.auth_required(bearer)
@blueprint.input(disk_models.NewDiskSnapshot)
@blueprint.output(disk_models.PersonalDisk, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 404, 409, 503))
def take_snapshot(json_data: disk_models.NewDiskSnapshot) -> disk_models.PersonalDisk:
    """Keep what is on the disk now under a name"""
    return disk_models.PersonalDisk.of(services().personal_disks.take_snapshot(actor(), json_data.name))


@blueprint.post("/personal-disk/snapshots/<snapshot_id>/restore")
@blueprint.auth_required(bearer)
@blueprint.output(models.Accepted, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(401, 404, 409, 503, also={204: {"description": "No desktop had the disk, and it is done."}}))
def restore(snapshot_id: str) -> AcceptedAnswer | Response:
    """Put the disk back to a snapshot

    What was changed since then is lost. A desktop that has the disk lets go of it for that, and programs there that have files
    open on it are ended.
    """
    asked = services().personal_disks.restore(actor(), snapshot_id)
    return accepted_answer(asked) if asked else make_response("", HTTPStatus.NO_CONTENT)


@blueprint.delete("/personal-disk/snapshots/<snapshot_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 404, 409, 503))
def delete_snapshot(snapshot_id: str) -> tuple[str, int]:
    """Delete a snapshot of the disk"""
    services().personal_disks.delete_snapshot(actor(), snapshot_id)
    return "", HTTPStatus.NO_CONTENT
