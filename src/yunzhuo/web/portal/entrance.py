"""Getting an account, or getting back into one: registering, invitations, a forgotten password, links that came by mail."""

from flask import request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, TooManyAttempts
from yunzhuo.services.proofs import Purpose
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.forms import AddressForm, ChosenPasswordForm, EmptyForm, Form, RegisterForm
from yunzhuo.web.portal.pages import HOME, back_to, blueprint, notice, page
from yunzhuo.webkit import client_address, languages, services, sessions
from yunzhuo.webkit.statuses import STATUS


@blueprint.route("/register", methods=["GET", "POST"])
def register() -> Response:
    """Create an account: by a link where mail can be sent, else at once, and be signed in with it."""
    registration = services().registration
    if not registration.is_open:
        raise Forbidden("registration_closed", "Registration is closed; ask your administrator for an account.")
    form = AddressForm() if registration.is_by_mail else RegisterForm()
    if form.validate_on_submit():
        if registration.is_by_mail and _link_asked(form):
            return page("look_into_mail.html", email=form.email.data)
        if not registration.is_by_mail and _registered(form):
            return sessions.know_browser(back_to(url_for(HOME)), services().accounts.by_email(form.email.data))
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    return page("register.html", status, form=form, min_length=_min_length())


@blueprint.route("/welcome", methods=["GET", "POST"])
def welcome() -> Response:
    """Choose a password for the account that a link or an invitation is for, and be signed in with it."""
    secret = request.args.get("proof", "")
    email = services().registration.address_of(secret)
    form = ChosenPasswordForm()
    if form.validate_on_submit():
        try:
            services().registration.complete(
                secret, form.password.data, language=languages.current(), client_address=client_address()
            )
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse(messages.refusal(error))
        else:
            _sign_in(email, form.password.data)
            return sessions.know_browser(back_to(url_for(HOME)), services().accounts.by_email(email))
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    return page("choose_password.html", status, form=form, email=email, is_new=True, min_length=_min_length())


@blueprint.route("/forgot", methods=["GET", "POST"])
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
            return page("look_into_mail.html", email=form.email.data)
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    return page("forgot.html", status, form=form, is_by_mail=services().regaining.is_by_mail)


@blueprint.route("/reset", methods=["GET", "POST"])
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
    return page("choose_password.html", status, form=form, email=email, is_new=False, min_length=_min_length())


@blueprint.route("/confirm-address", methods=["GET", "POST"])
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
        return back_to(url_for(HOME))
    return page("confirm_address.html", email=email)


def _link_asked(form: Form) -> bool:
    try:
        services().registration.request(form.email.data, language=languages.current(), client_address=client_address())
    except InvalidInput as error:
        form.refuse_fields(messages.field_errors(error))
    except TooManyAttempts as error:
        form.refuse(messages.refusal(error))
    return not form.errors


def _registered(form: Form) -> bool:
    email, password = form.email.data, form.password.data
    try:
        services().registration.register(email, password, language=languages.current(), client_address=client_address())
        _sign_in(email, password)
    except InvalidInput as error:
        form.refuse_fields(messages.field_errors(error))
    except Conflict as error:
        form.refuse_fields({"email": messages.refusal(error)})
    except TooManyAttempts as error:
        form.refuse(messages.refusal(error))
    return not form.errors


def _sign_in(email: str, password: str) -> None:
    granted = services().sign_ins.sign_in(email, password, client_address=client_address(), browser=sessions.browser())
    sessions.sign_in(granted)


def _min_length() -> int:
    return services().settings.accounts.password_min_length
