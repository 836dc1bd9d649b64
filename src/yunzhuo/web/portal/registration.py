"""Getting an account: registering, and invitations."""

from flask import request, url_for
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, TooManyAttempts
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.forms import RegisterForm
from yunzhuo.web.portal.pages import HOME, back_to, blueprint, page
from yunzhuo.webkit import client_address, languages, pages, services, sessions
from yunzhuo.webkit.forms import AddressForm, ChosenPasswordForm, Form
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
            return pages.page("account/look_into_mail.html", email=form.email.data)
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
    return pages.page("account/choose_password.html", status, form=form, email=email, is_new=True, min_length=_min_length())


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
