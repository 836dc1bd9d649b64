"""Getting back into an account: a forgotten password, links that came by mail."""

from flask import request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, TooManyAttempts
from yunzhuo.services.proofs import Purpose
from yunzhuo.webkit import client_address, languages, messages, services
from yunzhuo.webkit.forms import AddressForm, ChosenPasswordForm, EmptyForm
from yunzhuo.webkit.pages import Routes, back_to, home, notice, page
from yunzhuo.webkit.statuses import STATUS

routes = Routes()


@routes.route("/forgot", methods=["GET", "POST"])
def forgot() -> Response:
    """Ask for a link for a new password; where no mail can be sent, it says whom to ask."""
    form = AddressForm()
    if form.validate_on_submit() and services().regaining.is_by_mail:
        try:
            services().regaining.request_reset(form.email.data, language=languages.current(), client_address=client_address())
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except TooManyAttempts as error:
            form.refuse(messages.refusal(error))
        else:
            return page("account/look_into_mail.html", email=form.email.data)
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    return page("account/forgot.html", status, form=form, is_by_mail=services().regaining.is_by_mail)


@routes.route("/reset", methods=["GET", "POST"])
def reset() -> Response:
    """Choose a new password with a link."""
    secret = request.args.get("proof", "")
    email = services().regaining.address_of(secret, Purpose.RESET)
    form = ChosenPasswordForm()
    if form.validate_on_submit():
        try:
            services().regaining.reset(secret, form.password.data, client_address=client_address())
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        else:
            notice("good", gettext("Your password is changed. Sign in with it."))
            return back_to(url_for("portal.sign_in"))
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    return page("account/choose_password.html", status, form=form, email=email, is_new=False, min_length=_min_length())


@routes.route("/confirm-address", methods=["GET", "POST"])
def confirm_address() -> Response:
    """Confirm a new address with a link. Opening it changes nothing: mail programs look into links by themselves."""
    secret = request.args.get("proof", "")
    email = services().regaining.address_of(secret, Purpose.CHANGE_ADDRESS)
    if EmptyForm().validate_on_submit():
        try:
            services().regaining.confirm_address(secret, client_address=client_address())
        except Conflict as error:
            notice("bad", messages.refusal(error))
        else:
            notice("good", gettext("Your address is %(email)s from now on.", email=email))
        return back_to(home())
    return page("account/confirm_address.html", email=email)


def _min_length() -> int:
    return services().settings.accounts.password_min_length
