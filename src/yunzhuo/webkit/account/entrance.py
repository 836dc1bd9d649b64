"""Coming in and going out: sign in, with a second factor where there is one, sign out, choose a password."""

from flask import request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput, NotSignedIn, TooManyAttempts
from yunzhuo.services.accounts import Granted
from yunzhuo.webkit import actor, client_address, languages, messages, services, sessions
from yunzhuo.webkit.forms import EmptyForm, FactorForm, PasskeyForm, PasswordForm, SignInForm
from yunzhuo.webkit.pages import Routes, back_to, home, notice, page
from yunzhuo.webkit.statuses import STATUS

routes = Routes()


@routes.get("/")
def start() -> Response:
    """Where people land."""
    return back_to(home())


@routes.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> Response:
    """Begin a session; ``?next=`` is where to go afterwards."""
    next_path = sessions.local_path(request.args.get("next"), home())
    form = SignInForm()
    if request.method == "GET" and sessions.current_user() is not None:
        return back_to(next_path)
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            granted = services().sign_ins.sign_in(
                form.email.data,
                form.password.data,
                client_address=client_address(),
                browser=sessions.browser(),
                remember=form.remember.data,
            )
        except (NotSignedIn, TooManyAttempts) as error:
            form.refuse(messages.refusal(error))
            status = STATUS[type(error)]
        else:
            return _come_in(granted, next_path)
    return page(
        "account/sign_in.html",
        status,
        form=form,
        passkey=PasskeyForm(formdata=None),
        next_path=next_path,
        can_register=services().registration.is_open,
        has_passkeys=services().passkeys.is_offered,
    )


@routes.route("/sign-in/factor", methods=["GET", "POST"])
def give_factor() -> Response:
    """Give the second factor: a code, or (by the other form of the page) a passkey."""
    next_path = sessions.local_path(request.args.get("next"), home())
    secret = sessions.awaiting_secret()
    if secret is None:
        return back_to(url_for("portal.sign_in"))
    form = FactorForm()
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            granted = services().sign_ins.finish_with_code(
                secret, form.code.data, client_address=client_address(), browser=sessions.browser()
            )
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except TooManyAttempts as error:
            form.refuse(messages.refusal(error))
            status = STATUS[TooManyAttempts]
        except NotSignedIn as error:
            notice("bad", messages.refusal(error))
            return back_to(url_for("portal.sign_in", next=next_path))
        else:
            return _come_in(granted, next_path)
    has_passkeys = services().passkeys.is_offered
    passkey = PasskeyForm(formdata=None)
    return page("account/factor.html", status, form=form, passkey=passkey, next_path=next_path, has_passkeys=has_passkeys)


@routes.post("/sign-in/passkey/options")
def passkey_to_sign() -> Response:
    """What the browser's authenticator is to sign, in JSON; for the second factor when that is awaited."""
    options = services().sign_ins.offer_passkey(sessions.awaiting_secret())
    return Response(options, content_type="application/json")


@routes.post("/sign-in/passkey")
def sign_in_with_passkey() -> Response:
    """Begin a session by a passkey: alone, or as the second factor that is awaited."""
    next_path = sessions.local_path(request.args.get("next"), home())
    form, secret = PasskeyForm(), sessions.awaiting_secret()
    try:
        if not form.validate_on_submit():
            raise InvalidInput("There is no passkey in this.", code="passkey_refused")
        sign_ins, credential, browser = services().sign_ins, str(form.credential.data), sessions.browser()
        if secret is None:
            granted = sign_ins.sign_in_with_passkey(credential, client_address=client_address(), browser=browser)
        else:
            granted = sign_ins.finish_with_passkey(secret, credential, client_address=client_address(), browser=browser)
    except (InvalidInput, NotSignedIn, TooManyAttempts) as error:
        notice("bad", messages.refusal(error))
        return back_to(url_for("portal.give_factor" if secret else "portal.sign_in", next=next_path))
    return _come_in(granted, next_path)


@routes.post("/sign-out")
def sign_out() -> Response:
    """End the session."""
    sessions.sign_out()
    return back_to(url_for("portal.sign_in"))


@routes.route("/password", methods=["GET", "POST"])
@sessions.signed_in
def change_password() -> Response:
    """Choose another password; all other sessions and tokens of this person end."""
    form = PasswordForm()
    if form.validate_on_submit() and _password_changed(form):
        notice("good", gettext("Your password is changed. You are signed out everywhere else."))
        return back_to(home())
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    return page("account/password.html", status, form=form, min_length=services().settings.accounts.password_min_length)


@routes.post("/language")
def choose_language() -> Response:
    """Read the pages in another language from now on; also for people who are not signed in."""
    if EmptyForm().validate_on_submit():
        languages.remember(request.form.get("language", ""))
    return back_to(request.form.get("back"))


def _come_in(granted: Granted, next_path: str) -> Response:
    """Go on as whoever has come in, or to the second factor."""
    sessions.sign_in(granted)
    if granted.awaits_factor:
        return back_to(url_for("portal.give_factor", next=next_path))
    return sessions.know_browser(back_to(next_path), granted.user)


def _password_changed(form: PasswordForm) -> bool:
    try:
        sessions.renew(
            services().accounts.change_password(
                actor(), form.present.data, form.chosen.data, keep_session=sessions.current_secret()
            )
        )
    except InvalidInput as error:
        form.refuse_fields(messages.field_errors(error))
    except TooManyAttempts as error:
        form.refuse(messages.refusal(error))
    return not form.errors
