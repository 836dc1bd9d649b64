"""Hosts, and what is broken now: for administrators."""

from apiflask import APIBlueprint

from yunzhuo.web.api import admin_models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import refusals

blueprint = APIBlueprint("overview", __name__, tag="Administration")


@blueprint.get("/overview")
@blueprint.auth_required(bearer)
@blueprint.output(admin_models.Overview)
@blueprint.doc(responses=refusals(401, 403))
def show() -> admin_models.Overview:
    """Say what is broken now

    A cloud that does not answer is part of the answer.
    """
    return admin_models.Overview.of(services().overview.look(actor()))


@blueprint.get("/hosts")
@blueprint.auth_required(bearer)
@blueprint.output(admin_models.HostList)
@blueprint.doc(responses=refusals(401, 403, 503))
def hosts() -> admin_models.HostList:
    """List the hosts with what is left on them"""
    found = services().overview.hosts(actor())
    return admin_models.HostList(items=[admin_models.Host.of(host) for host in found], next_cursor=None)
