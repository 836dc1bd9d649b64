"""What vendor administrators do with installations."""

from datetime import timedelta

from flask import request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.license.context import license_server
from yunzhuo.license.pages.forms import NewInstallationForm, TermsForm, as_said, editions
from yunzhuo.license.pages.frame import blueprint, for_vendors
from yunzhuo.license.rules import Act
from yunzhuo.phoenix.common.clock import SystemClock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound
from yunzhuo.services.rules.licensing import Feature
from yunzhuo.webkit import actor, messages
from yunzhuo.webkit.pages import back_to, notice, page, require_token, saved
from yunzhuo.webkit.statuses import STATUS

_YEAR = timedelta(days=365)
_QUESTIONS = ("revoke", "delete")
_clock = SystemClock()


@blueprint.route("/installations/new", methods=["GET", "POST"])
@for_vendors
def new_installation() -> Response:
    """Make an installation; its activation code is shown this once."""
    person, server, now = actor(), license_server(), _clock.now()
    usual = {"edition": "school", "until": (now + _YEAR).date(), "grace_days": 14, "moves_allowed": 2}
    form = NewInstallationForm(customer=request.args.get("customer", ""), starts=now.date(), **usual)
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            terms = form.terms(now)
            made = server.installations.create(
                person, form.customer.data, form.name.data, terms, moves_allowed=form.moves_allowed.data
            )
        except InvalidInput as error:
            form.refuse_fields(_fields(error))
        except (Conflict, NotFound) as error:
            form.refuse(messages.refusal(error))
        else:
            return page("license/code.html", made=made, is_new=True)
    customers = server.customers.list(person)
    return page(
        "license/new_installation.html", status, form=form, customers=customers, editions=editions(), features=list(Feature)
    )


@blueprint.route("/installations/<installation_id>/change", methods=["GET", "POST"])
@for_vendors
def change_installation(installation_id: str) -> Response:
    """Renew it, or let it do something else; an active one gets another license at once."""
    person, installations = actor(), license_server().installations
    found = installations.get(person, installation_id)
    form = TermsForm(name=found.name, moves_allowed=found.moves_allowed, **as_said(found.terms))
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            changed = installations.change(
                person,
                installation_id,
                form.terms(_clock.now(), found.terms),
                name=form.name.data if form.name.data != found.name else None,
                moves_allowed=form.moves_allowed.data,
            )
        except InvalidInput as error:
            form.refuse_fields(_fields(error))
        except Conflict as error:
            form.refuse(messages.refusal(error))
            status = STATUS[Conflict]
        else:
            _tell(found.serial, changed.serial)
            return back_to(url_for("portal.installation", installation_id=installation_id))
    return page(
        "license/change_installation.html",
        status,
        form=form,
        found=found,
        editions=editions(found.terms.edition),
        features=list(Feature),
    )


@blueprint.post("/installations/<installation_id>/actions")
@for_vendors
def act_on_installation(installation_id: str) -> Response:
    """Renew for a year, issue, suspend, resume, revoke, forgive a clone, delete: what the button says."""
    require_token()
    person, installations, wish = actor(), license_server().installations, request.form.get("action", "")
    here = url_for("portal.installation", installation_id=installation_id)
    match wish:
        case "issue" | "suspend" | "resume" | "revoke":
            return saved(lambda: installations.act(person, installation_id, Act(wish)), here)
        case "renew":
            return saved(lambda: _renew(installation_id), here)
        case "forgive":
            return saved(lambda: installations.forgive_clone(person, installation_id), here)
        case "delete":
            try:
                installations.delete(person, installation_id)
            except Conflict as error:
                notice("bad", messages.refusal(error))
                return back_to(here)
            notice("good", gettext("The installation is deleted."))
            return back_to(url_for("portal.installation_list"))
        case _:
            raise InvalidInput("There is no such action.", fields={"action": "What a button says."})


@blueprint.post("/installations/<installation_id>/code")
@for_vendors
def new_code(installation_id: str) -> Response:
    """Another activation code, shown this once."""
    require_token()
    try:
        made = license_server().installations.new_code(actor(), installation_id)
    except Conflict as error:
        notice("bad", messages.refusal(error))
        return back_to(url_for("portal.installation", installation_id=installation_id))
    return page("license/code.html", made=made, is_new=False)


@blueprint.get("/installations/<installation_id>/confirm/<question>")
@for_vendors
def confirm_on_installation(installation_id: str, question: str) -> Response:
    """Ask before something that does not come back."""
    if question not in _QUESTIONS:
        raise NotFound("not_found", "There is nothing at this address.")
    found = license_server().installations.get(actor(), installation_id)
    return page("license/confirm_installation.html", found=found, question=question)


def _renew(installation_id: str) -> None:
    """A year more, from the end on or from now, whichever is later."""
    person, installations = actor(), license_server().installations
    terms, now = installations.get(person, installation_id).terms, _clock.now().replace(microsecond=0)
    installations.renew(person, installation_id, max(terms.expires_at, now) + _YEAR)


def _tell(before: int, after: int) -> None:
    if after > before:
        notice("good", gettext("Saved. License number %(serial)s says so.", serial=after))
    else:
        notice("good", gettext("Saved."))


def _fields(error: InvalidInput) -> dict[str, str]:
    """What is wrong, beside the field of the form that says it."""
    found = messages.field_errors(error)
    return {{"expires_at": "until", "starts_at": "starts"}.get(name, name): text for name, text in found.items()}
