"""The record of who did what."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response, stream_with_context

from yunzhuo.services.audit_files import MEDIA_TYPES, lines
from yunzhuo.services.audit_search import AuditWish
from yunzhuo.web.api import record_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import refusals

blueprint = APIBlueprint("audit", __name__, tag="Audit")
_FILE: Any = {"schema": {"type": "string"}}


@blueprint.get("/audit")
@blueprint.auth_required(bearer)
@blueprint.input(models.AuditQuery, location="query")
@blueprint.output(models.AuditList)
@blueprint.doc(responses=refusals(401, 403, 422))
def index(query_data: models.AuditQuery) -> models.AuditList:
    """Search the audit log, the newest entry first"""
    page = services().audit_reader.search(actor(), _wish(query_data), limit=query_data.limit, cursor=query_data.cursor)
    items = [models.AuditEntry.model_validate(entry) for entry in page.items]
    return models.AuditList(items=items, next_cursor=page.next_cursor)


@blueprint.get("/audit/export")
@blueprint.auth_required(bearer)
@blueprint.input(models.AuditExport, location="query")
@blueprint.doc(
    responses=refusals(
        401,
        403,
        422,
        also={200: {"description": "The entries.", "content": {"text/csv": _FILE, "application/x-ndjson": _FILE}}},
    )
)
def export(query_data: models.AuditExport) -> Response:
    """Take the audit log away as a file"""
    entries = services().audit_reader.export(actor(), _wish(query_data))
    return Response(stream_with_context(lines(entries, query_data.kind)), content_type=MEDIA_TYPES[query_data.kind])


@blueprint.get("/audit/verification")
@blueprint.auth_required(bearer)
@blueprint.output(models.Verification)
@blueprint.doc(responses=refusals(401, 403))
def verify() -> models.Verification:
    """Check the chain of the whole installation's audit log

    It reads every entry.
    """
    return models.Verification.model_validate(services().audit_keeper.verify_for(actor()))


def _wish(query: models.AuditFilter) -> AuditWish:
    return AuditWish(
        who=query.who,
        verb=query.verb,
        outcome=query.outcome,
        object_id=query.object,
        request_id=query.request,
        client_address=query.client,
        since=query.since,
        until=query.until,
    )
