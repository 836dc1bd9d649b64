"""What screens allow, for whom."""

from collections.abc import Mapping

from flask import request, url_for
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.access import scope_of
from yunzhuo.services.policies import PolicySubject
from yunzhuo.web.portal import policy_words
from yunzhuo.web.portal.administration import person_with
from yunzhuo.web.portal.pages import blueprint, for_those_who, page, require_token, saved
from yunzhuo.webkit import actor, services

_SAID: Mapping[str, bool | None] = {"": None, "true": True, "false": False}


@blueprint.get("/admin/policies")
@for_those_who("policy:read")
def policy_list() -> Response:
    """What is said, and a form to say something else; with ``of`` and ``id`` it begins with what is said there."""
    person, asked = actor(), (request.args.get("of"), request.args.get("id"))
    policies = services().policies.list(person)
    return page(
        "admin/policies.html",
        policies=policies,
        chosen=next((each for each in policies if (each.subject, each.subject_id) == asked), None),
        groups=services().groups.list(person) if scope_of(person, "group:read") is not None else (),
        pools=services().pools.list(person) if scope_of(person, "pool:read") is not None else (),
        flags=policy_words.FLAGS,
        bounds=policy_words.BOUNDS,
        told=policy_words.told,
        subject_name=policy_words.subject_name,
        may_change=scope_of(person, "policy:change") is not None,
    )


@blueprint.post("/admin/policies")
@for_those_who("policy:change")
def set_policy() -> Response:
    """Say what somebody's screens allow, or take what was said away."""
    require_token()

    def put() -> None:
        subject, subject_id = _subject()
        services().policies.put(actor(), subject, subject_id, {} if request.form.get("change") == "drop" else _says())

    return saved(put, url_for("portal.policy_list"))


def _subject() -> tuple[PolicySubject, str]:
    """Whose screens are meant: chosen from the list as ``kind:id``, or a person by address."""
    kind, _, subject_id = request.form.get("for", "").partition(":")
    if kind == PolicySubject.ORGANIZATION:
        return PolicySubject.ORGANIZATION, actor().organization_id
    if kind == PolicySubject.USER and not subject_id:
        return PolicySubject.USER, person_with(request.form.get("email", ""))
    if kind in list(PolicySubject) and subject_id:
        return PolicySubject(kind), subject_id
    raise InvalidInput("It is not said for whom.", fields={"for": "A person, a group, a pool or the organization."})


def _says() -> dict[str, object]:
    says: dict[str, object] = {}
    for part in policy_words.FLAGS:
        value = request.form.get(part, "")
        if value not in _SAID:
            raise InvalidInput("This is not a policy.", fields={part: "True, false or nothing."})
        says[part] = _SAID[value]
    for part in policy_words.BOUNDS:
        number = request.form.get(part, "").strip()
        if number and not number.isdecimal():
            raise InvalidInput("This is not a policy.", fields={part: "A whole number, or nothing."})
        says[part] = int(number[:16]) if number else None
    return says
