"""The vendor's own administrators."""

from flask import request, url_for
from werkzeug.wrappers import Response

from yunzhuo.license.context import license_server
from yunzhuo.license.pages.forms import PersonForm
from yunzhuo.license.pages.frame import blueprint, for_vendors
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.webkit import actor, messages
from yunzhuo.webkit.pages import back_to, notice, page, require_token, saved
from yunzhuo.webkit.statuses import STATUS


@blueprint.get("/people")
@for_vendors
def vendor_list() -> Response:
    """All of them by address."""
    return _page(PersonForm())


@blueprint.post("/people")
@for_vendors
def new_vendor() -> Response:
    """An account for another one; the one-time password is shown this once."""
    form, status = PersonForm(), STATUS[InvalidInput]
    if form.validate_on_submit():
        try:
            made = license_server().customers.add_vendor(actor(), form.email.data, language=form.language.data or None)
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse_fields({"email": messages.refusal(error)})
            status = STATUS[Conflict]
        else:
            return page("license/access.html", made=made, back=url_for("portal.vendor_list"))
    return _page(form, status)


@blueprint.post("/people/<user_id>")
@for_vendors
def change_vendor(user_id: str) -> Response:
    """Another one-time password for one of them, or the account deleted."""
    require_token()
    customers, person, here = license_server().customers, actor(), url_for("portal.vendor_list")
    match request.form.get("change"):
        case "reset":
            try:
                return page("license/access.html", made=customers.reset_vendor(person, user_id), back=here)
            except Conflict as error:
                notice("bad", messages.refusal(error))
                return back_to(here)
        case "delete":
            return saved(lambda: customers.delete_vendor(person, user_id), here)
        case _:
            raise InvalidInput("There is no such change.", fields={"change": "reset or delete"})


def _page(form: PersonForm, status: int = 200) -> Response:
    person = actor()
    people = license_server().customers.vendors(person)
    return page("license/vendors.html", status, people=people, form=form, own_id=person.user_id)
