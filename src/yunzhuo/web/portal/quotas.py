"""How much there is for whom, and how much was used."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import request, url_for
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.access import Scope, scope_of
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.usage import UsageOfDay
from yunzhuo.web.portal.administration import person_with
from yunzhuo.web.portal.pages import blueprint, for_those_who, page, require_token, saved
from yunzhuo.webkit import actor, services, sessions

_DAYS = (7, 30, 90, 365)
_WIDTH, _HEIGHT = 720.0, 160.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A day in the drawing; places and sizes in its own units."""

    day: UsageOfDay
    x: float
    y: float
    width: float
    height: float


@blueprint.get("/usage")
@sessions.signed_in
def usage() -> Response:
    """What is left for oneself, and what was used day by day: one's own, or everybody's whom one looks after."""
    asked = request.args.get("days", "30")
    days = int(asked) if asked in map(str, _DAYS) else 30
    person = actor()
    allowances = services().quotas.mine(person) if scope_of(person, "quota:read") and not person.is_visiting else ()
    found = services().usage.days(person, days=days)
    is_own = scope_of(person, "usage:read") is Scope.OWN
    return page("usage.html", allowances=allowances, days=found, chosen=days, choices=_DAYS, bars=bars(found), is_own=is_own)


@blueprint.get("/admin/quotas")
@for_those_who("quota:change")
def quota_list() -> Response:
    """The quotas that were set, and a form for another one."""
    person = actor()
    return page(
        "admin/quotas.html",
        quotas=services().quotas.list(person),
        groups=services().groups.list(person),
        resources=list(Resource),
        default_desktops=services().settings.limits.desktops_per_user,
        may_all=scope_of(person, "quota:change") is Scope.INSTALLATION,
    )


@blueprint.post("/admin/quotas")
@for_those_who("quota:change")
def set_quota() -> Response:
    """Say how much of a resource somebody may have."""
    require_token()
    asked, person = request.form, actor()

    def put() -> None:
        subject, subject_id = _subject(asked.get("for", ""), asked.get("email", ""), asked.get("id", ""))
        most = asked.get("most", "").strip()
        if (most and not most.isdecimal()) or asked.get("resource") not in list(Resource):
            raise InvalidInput("This is not an amount.", fields={"most": "A whole number, or nothing."})
        services().quotas.put(person, subject, subject_id, Resource(asked["resource"]), int(most) if most else None)

    return saved(put, url_for("portal.quota_list"))


def bars(days: Sequence[UsageOfDay]) -> Sequence[Bar]:
    """The days' running hours as bars side by side, the highest as high as the drawing."""
    highest = max((day.running_seconds for day in days), default=0) or 1
    step = _WIDTH / max(len(days), 1)
    found = []
    for number, day in enumerate(days):
        height = _HEIGHT * day.running_seconds / highest
        found.append(Bar(day, round(number * step, 2), round(_HEIGHT - height, 2), round(step * 0.8, 2), round(height, 2)))
    return found


def _subject(kind: str, email: str, subject_id: str) -> tuple[Subject, str]:
    match kind:
        case "organization":
            return Subject.ORGANIZATION, actor().organization_id
        case "user" if email:
            return Subject.USER, person_with(email)
        case "user" | "group" if subject_id:
            return Subject(kind), subject_id
        case _:
            for each in services().groups.list(actor()):
                if f"group:{each.id}" == kind:
                    return Subject.GROUP, each.id
            raise InvalidInput("It is not said for whom.", fields={"for": "A person, a group or the organization."})
