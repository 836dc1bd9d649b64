"""The record of who did what, for administrators and auditors."""

from datetime import UTC, date, datetime, time, timedelta

from flask import request, stream_with_context
from werkzeug.wrappers import Response

from yunzhuo.services.access import scope_of
from yunzhuo.services.audit import OUTCOMES
from yunzhuo.services.audit_files import MEDIA_TYPES, lines
from yunzhuo.services.audit_search import AuditWish
from yunzhuo.web.portal.pages import blueprint, for_those_who, page
from yunzhuo.webkit import actor, services

PAGE_SIZE = 50
_LONGEST = 128
_ASKED = ("who", "verb", "outcome", "object", "request", "since", "until")


@blueprint.get("/admin/audit")
@for_those_who("audit:read")
def audit_log() -> Response:
    """The entries that fit, the newest first."""
    asked = _asked()
    cursor = request.args.get("cursor") or None
    found = services().audit_reader.search(actor(), _wish(asked), limit=PAGE_SIZE, cursor=cursor)
    return page(
        "admin/audit.html",
        found=found,
        asked=asked,
        outcomes=OUTCOMES,
        is_first=cursor is None,
        may_verify=scope_of(actor(), "audit:verify") is not None,
    )


@blueprint.get("/admin/audit/export")
@for_those_who("audit:export")
def export_audit_log() -> Response:
    """The entries that fit, as a file."""
    kind = "json" if request.args.get("kind") == "json" else "csv"
    entries = services().audit_reader.export(actor(), _wish(_asked()))
    answer = Response(stream_with_context(lines(entries, kind)), content_type=MEDIA_TYPES[kind])
    answer.headers["Content-Disposition"] = f'attachment; filename="audit.{"jsonl" if kind == "json" else kind}"'
    return answer


@blueprint.get("/admin/audit/verification")
@for_those_who("audit:verify")
def verify_audit_log() -> Response:
    """Whether the chain holds."""
    return page("admin/audit_verified.html", found=services().audit_keeper.verify_for(actor()))


def _asked() -> dict[str, str]:
    return {name: request.args.get(name, "").strip()[:_LONGEST] for name in _ASKED}


def _wish(asked: dict[str, str]) -> AuditWish:
    until = _day(asked["until"])
    return AuditWish(
        who=asked["who"] or None,
        verb=asked["verb"] or None,
        outcome=asked["outcome"] if asked["outcome"] in OUTCOMES else None,
        object_id=asked["object"] or None,
        request_id=asked["request"] or None,
        since=_day(asked["since"]),
        until=until + timedelta(days=1) if until else None,  # the day itself is meant, too
    )


def _day(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        return None
