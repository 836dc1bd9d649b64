"""Coming in and going out: register, sign in, sign out, choose a password."""

from flask import request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, NotSignedIn, TooManyAttempts
from yunzhuo.web.errors import STATUS
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.forms import EmptyForm, Form, PasswordForm, RegisterForm, SignInForm
from yunzhuo.web.portal.pages import HOME, back_to, blueprint, notice, page
from yunzhuo.webkit import actor, client_address, languages, services, sessions


@blueprint.get("/")
def start() -> Response:
    """Where people land."""
    return back_to(url_for(HOME))


@blueprint.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> Response:
    """Begin a session; ``?next=`` is where to go afterwards."""
    next_path = sessions.local_path(request.args.get("next"), url_for(HOME))
    form = SignInForm()
    if request.method == "GET" and sessions.current_user() is not None:
        return back_to(next_path)
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            granted = services().accounts.sign_in(form.email.data, form.password.data, client_address=client_address())
        except (NotSignedIn, TooManyAttempts) as error:
            form.refuse(messages.refusal(error))
            status = STATUS[type(error)]
        else:
            sessions.sign_in(granted)
            return back_to(next_path)
    return page("sign_in.html", status, form=form, can_register=services().accounts.registration_is_open)


@blueprint.route("/register", methods=["GET", "POST"])
def register() -> Response:
    """Create an account, and be signed in with it."""
    accounts = services().accounts
    if not accounts.registration_is_open:
        raise Forbidden("registration_closed", "Registration is closed; ask your administrator for an account.")
    form = RegisterForm()
    if form.validate_on_submit() and _registered(form):
        return back_to(url_for(HOME))
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    return page("register.html", status, form=form, min_length=services().settings.accounts.password_min_length)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End the session."""
    sessions.sign_out()
    return back_to(url_for("portal.sign_in"))


@blueprint.route("/password", methods=["GET", "POST"])
@sessions.signed_in
def change_password() -> Response:
    """Choose another password; all other sessions and tokens of this person end."""
    form = PasswordForm()
    if form.validate_on_submit() and _password_changed(form):
        notice("good", gettext("Your password is changed. You are signed out everywhere else."))
        return back_to(url_for(HOME))
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    return page("password.html", status, form=form, min_length=services().settings.accounts.password_min_length)


@blueprint.post("/language")
def choose_language() -> Response:
    """Read the pages in another language from now on; also for people who are not signed in."""
    if EmptyForm().validate_on_submit():
        languages.remember(request.form.get("language", ""))
    return back_to(request.form.get("back"))


def _registered(form: RegisterForm) -> bool:
    accounts = services().accounts
    email, password = form.email.data, form.password.data
    try:
        accounts.register(email, password, language=languages.current(), client_address=client_address())
        sessions.sign_in(accounts.sign_in(email, password, client_address=client_address()))
    except InvalidInput as error:
        _explain(form, error, "password")
    except Conflict as error:
        form.refuse_fields({"email": messages.refusal(error)})
    except TooManyAttempts as error:
        form.refuse(messages.refusal(error))
    return not form.errors


def _password_changed(form: PasswordForm) -> bool:
    try:
        services().accounts.change_password(
            actor(), form.present.data, form.chosen.data, keep_session=sessions.current_secret()
        )
    except InvalidInput as error:
        _explain(form, error, "chosen")
    except TooManyAttempts as error:
        form.refuse(messages.refusal(error))
    return not form.errors


def _explain(form: Form, error: InvalidInput, password_field: str) -> None:
    """Say what is wrong with which field; of a short password how long it has to be."""
    shortest = services().settings.accounts.password_min_length
    found = messages.field_errors(error)
    if password_field in found and len(form[password_field].data) < shortest:
        found[password_field] = gettext("At least %(count)s characters.", count=shortest)
    form.refuse_fields(found)
