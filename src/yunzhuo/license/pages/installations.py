"""Installations as people look at them, and manual activation, which customers do themselves."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.license.context import license_server
from yunzhuo.license.installations import InstallationView
from yunzhuo.license.pages.frame import blueprint, file, is_vendor
from yunzhuo.license.rules import EXPIRED, State
from yunzhuo.phoenix.common.clock import SystemClock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.phoenix.security.sealed import MAX_BYTES
from yunzhuo.webkit import actor, messages
from yunzhuo.webkit.pages import back_to, for_those_who, notice, page, require_token
from yunzhuo.webkit.statuses import STATUS

_PAGE = 50
_MONTHS = 12
_clock = SystemClock()
for_everybody = for_those_who("overview:read")


@dataclass(frozen=True, slots=True)
class Month:
    """How many licenses end in a month, and how high that is among the others (0 to 100)."""

    first_day: datetime
    ends: int
    height: int


@blueprint.get("/installations")
@for_everybody
def installation_list() -> Response:
    """Installations by name, what ends when; a customer sees their own."""
    found, names = license_server().installations.list(actor()), customer_names()
    search, state = request.args.get("q", "").strip()[:64], request.args.get("state", "")
    shown = [each for each in found if _fits(each, names, search.lower(), state)]
    number = max(1, request.args.get("page", 1, int))
    return page(
        "license/installations.html",
        shown=shown[(number - 1) * _PAGE : number * _PAGE],
        count=len(shown),
        number=number,
        is_last=number * _PAGE >= len(shown),
        is_empty=not found,
        names=names,
        wish={"q": search, "state": state},
        months=months(found, _clock.now()),
        now=_clock.now(),
    )


@blueprint.get("/installations/<installation_id>")
@for_everybody
def installation(installation_id: str) -> Response:
    """One installation: what it may do, what can be done, every license it was given."""
    return installation_page(installation_id)


@blueprint.post("/installations/<installation_id>/host-info")
@for_everybody
def take_host_info(installation_id: str) -> Response:
    """Manual activation: a host-info file comes in, and the license made for it goes out."""
    require_token()
    chosen = request.files.get("file")
    content = chosen.stream.read(MAX_BYTES + 1) if chosen else b""
    try:
        license_server().installations.take_host_info(actor(), installation_id, content)
    except (InvalidInput, Conflict) as error:
        status = STATUS[InvalidInput] if isinstance(error, InvalidInput) else STATUS[Conflict]
        return installation_page(installation_id, status, problem=messages.refusal(error))
    notice("good", gettext("The license is made. Download it and upload it on the installation's license page."))
    return back_to(url_for("portal.installation", installation_id=installation_id))


@blueprint.get("/installations/<installation_id>/licenses/<int:serial>")
@for_everybody
def license_file(installation_id: str, serial: int) -> Response:
    """A license as a file, the newest or an earlier one."""
    document = license_server().installations.license_file(actor(), installation_id, serial)
    return file(document, f"license-{serial}.json", "application/json")


def installation_page(installation_id: str, status: int = 200, problem: str | None = None) -> Response:
    """The page of an installation; ``problem`` is why the last file was not taken."""
    person, installations = actor(), license_server().installations
    found = installations.get(person, installation_id)
    return page(
        "license/installation.html",
        status,
        found=found,
        customer=customer_names().get(found.customer_id),
        licenses=installations.licenses(person, installation_id),
        problem=problem,
        can=possible(found.state),
        now=_clock.now(),
    )


def possible(state: str) -> frozenset[str]:
    """What a page offers for an installation in this state; the service has the last word."""
    return _POSSIBLE[state]


_POSSIBLE = {
    State.WAITING: frozenset({"host", "code", "change", "revoke", "delete"}),
    State.READY: frozenset({"host", "code", "change", "revoke", "delete", "issue"}),
    State.ACTIVE: frozenset({"host", "code", "change", "renew", "issue", "suspend", "revoke"}),
    EXPIRED: frozenset({"host", "code", "change", "renew", "issue", "suspend", "revoke", "delete"}),
    State.SUSPENDED: frozenset({"change", "resume", "revoke"}),
    State.REVOKED: frozenset({"delete"}),
}


def customer_names() -> dict[str, str]:
    """Customers' names by their ids, for the vendor; a customer knows who they are."""
    return {each.id: each.name for each in license_server().customers.list(actor())} if is_vendor() else {}


def months(found: Sequence[InstallationView], now: datetime) -> Sequence[Month]:
    """What ends in this month and the ones after it; nothing when nothing does."""
    ends = Counter((each.terms.expires_at.year, each.terms.expires_at.month) for each in found if each.state == State.ACTIVE)
    wanted = [divmod(now.year * 12 + now.month - 1 + ahead, 12) for ahead in range(_MONTHS)]
    counts = [ends[year, month + 1] for year, month in wanted]
    most = max(counts)
    if not most:
        return []
    return [
        Month(now.replace(year=year, month=month + 1, day=1), count, round(100 * count / most))
        for (year, month), count in zip(wanted, counts, strict=True)
    ]


def _fits(each: InstallationView, names: dict[str, str], search: str, state: str) -> bool:
    told = (each.name, names.get(each.customer_id, ""), each.host_name or "")
    return (not state or each.state == state) and any(search in text.lower() for text in told)
