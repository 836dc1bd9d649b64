"""Customers, contacts and installations as one list."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response, request

from yunzhuo.license.api import models
from yunzhuo.license.context import license_server
from yunzhuo.services.list_files import MEDIA_TYPES
from yunzhuo.webkit import actor
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("lists", __name__, tag="Lists")
_BYTES: Any = {"schema": {"type": "string", "format": "binary"}}
_FILE: Any = {"description": "The list.", "content": {kind.partition(";")[0]: _BYTES for kind in MEDIA_TYPES.values()}}


@blueprint.get("/lists/template")
@blueprint.auth_required(bearer)
@blueprint.input(models.ListQuery, location="query")
@blueprint.doc(responses=refusals(401, 422, also={200: _FILE}))
def template(query_data: models.ListQuery) -> Response:
    """Get a list with its columns and an example"""
    return Response(license_server().exchange.template(query_data.kind), content_type=MEDIA_TYPES[query_data.kind])


@blueprint.get("/lists")
@blueprint.auth_required(bearer)
@blueprint.input(models.ListQuery, location="query")
@blueprint.doc(responses=refusals(401, 403, 422, also={200: _FILE}))
def export(query_data: models.ListQuery) -> Response:
    """Take everything away as a list"""
    return Response(license_server().exchange.export(actor(), query_data.kind), content_type=MEDIA_TYPES[query_data.kind])


@blueprint.post("/lists")
@blueprint.auth_required(bearer)
@blueprint.input(models.ImportQuery, location="query")
@blueprint.output(models.Import)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def take_in(query_data: models.ImportQuery) -> models.Import:
    """Make what a list says, all of it or nothing

    The body is the file as it is. One-time passwords and activation codes are told this once.
    """
    found = license_server().exchange.run(actor(), request.get_data(), query_data.kind, dry_run=query_data.dry_run)
    return models.Import.of(found)
