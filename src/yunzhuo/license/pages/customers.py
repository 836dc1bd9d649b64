"""Customers and their contacts, for the vendor."""

from collections import Counter

from flask import request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.license.context import license_server
from yunzhuo.license.pages.forms import NameForm, PersonForm
from yunzhuo.license.pages.frame import blueprint, for_vendors
from yunzhuo.phoenix.common.clock import SystemClock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.services.access import Actor
from yunzhuo.webkit import actor, messages
from yunzhuo.webkit.pages import back_to, notice, page, require_token, saved
from yunzhuo.webkit.statuses import STATUS

_clock = SystemClock()


@blueprint.get("/customers")
@for_vendors
def customer_list() -> Response:
    """All customers by name."""
    return _list_page(NameForm())


@blueprint.post("/customers")
@for_vendors
def new_customer() -> Response:
    """Make a customer."""
    form, status = NameForm(), STATUS[InvalidInput]
    if form.validate_on_submit():
        try:
            made = license_server().customers.create(actor(), form.name.data)
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse_fields({"name": messages.refusal(error)})
            status = STATUS[Conflict]
        else:
            notice("good", gettext("Now add somebody who is to be told of licenses, and an installation."))
            return back_to(url_for("portal.customer", customer_id=made.id))
    return _list_page(form, status)


@blueprint.get("/customers/<customer_id>")
@for_vendors
def customer(customer_id: str) -> Response:
    """One customer: contacts, installations, what can be done."""
    return _customer_page(customer_id, PersonForm())


@blueprint.post("/customers/<customer_id>")
@for_vendors
def change_customer(customer_id: str) -> Response:
    """Rename a customer, let nobody of them in, or let them in again."""
    require_token()
    customers, person, asked = license_server().customers, actor(), request.form
    here = url_for("portal.customer", customer_id=customer_id)
    match asked.get("change"):
        case "rename":
            return saved(lambda: customers.rename(person, customer_id, asked.get("name", "")), here)
        case "disable":
            return saved(lambda: customers.disable(person, customer_id), here)
        case "enable":
            return saved(lambda: customers.enable(person, customer_id), here)
        case _:
            raise InvalidInput("There is no such change.", fields={"change": "rename, disable or enable"})


@blueprint.route("/customers/<customer_id>/delete", methods=["GET", "POST"])
@for_vendors
def delete_customer(customer_id: str) -> Response:
    """Say what is lost, then delete a customer with everything of theirs."""
    customers, person = license_server().customers, actor()
    found = customers.get(person, customer_id)
    if request.method == "POST":
        require_token()
        try:
            customers.delete(person, customer_id)
        except Conflict as error:
            notice("bad", messages.refusal(error))
            return back_to(url_for("portal.customer", customer_id=customer_id))
        notice("good", gettext("“%(name)s” is deleted.", name=found.name))
        return back_to(url_for("portal.customer_list"))
    theirs = license_server().installations.list(person, customer_id=customer_id)
    return page("license/delete_customer.html", found=found, installations=theirs)


@blueprint.post("/customers/<customer_id>/contacts")
@for_vendors
def new_contact(customer_id: str) -> Response:
    """An account for one of a customer's people; the one-time password is shown this once."""
    form, status = PersonForm(), STATUS[InvalidInput]
    if form.validate_on_submit():
        try:
            made = license_server().customers.add_contact(
                actor(), customer_id, form.email.data, language=form.language.data or None
            )
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse_fields({"email": messages.refusal(error)})
            status = STATUS[Conflict]
        else:
            return page("license/access.html", made=made, back=url_for("portal.customer", customer_id=customer_id))
    return _customer_page(customer_id, form, status)


@blueprint.post("/customers/<customer_id>/contacts/<user_id>")
@for_vendors
def change_contact(customer_id: str, user_id: str) -> Response:
    """Another one-time password for a contact, or the account deleted."""
    require_token()
    customers, person = license_server().customers, actor()
    here = url_for("portal.customer", customer_id=customer_id)
    match request.form.get("change"):
        case "reset":
            return page("license/access.html", made=customers.reset_contact(person, customer_id, user_id), back=here)
        case "delete":
            return saved(lambda: customers.delete_contact(person, customer_id, user_id), here)
        case _:
            raise InvalidInput("There is no such change.", fields={"change": "reset or delete"})


def _list_page(form: NameForm, status: int = 200) -> Response:
    person: Actor = actor()
    found = license_server().customers.list(person)
    search = request.args.get("q", "").strip()[:64]
    shown = [each for each in found if search.lower() in each.name.lower()]
    counts = Counter(each.customer_id for each in license_server().installations.list(person))
    return page("license/customers.html", status, customers=shown, counts=counts, form=form, search=search, is_empty=not found)


def _customer_page(customer_id: str, form: PersonForm, status: int = 200) -> Response:
    server, person = license_server(), actor()
    return page(
        "license/customer.html",
        status,
        found=server.customers.get(person, customer_id),
        contacts=server.customers.contacts(person, customer_id),
        installations=server.installations.list(person, customer_id=customer_id),
        form=form,
        now=_clock.now(),
    )
