"""What proves a person, on pages of their own: factors, passkeys, recovery codes, sessions, sign-ins, tokens, the address."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import segno
from flask import request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, LimitReached, NotFound, TooManyAttempts
from yunzhuo.services.step_up import Proven
from yunzhuo.webkit import actor, messages, services, sessions
from yunzhuo.webkit.forms import AddressForm, EmptyForm, FactorForm, NewPasskeyForm, PasswordAgainForm
from yunzhuo.webkit.pages import Routes, back_to, notice, page
from yunzhuo.webkit.statuses import STATUS

_Arguments = ParamSpec("_Arguments")
routes = Routes()
# Where somebody may go who has to have a second factor first; the first of them is where they are sent.
ENROLL_ENDPOINTS = (
    "portal.security",
    "portal.prove",
    "portal.add_totp",
    "portal.passkey_to_make",
    "portal.add_passkey",
)


def asks_password(route: Callable[_Arguments, ResponseReturnValue]) -> Callable[_Arguments, ResponseReturnValue]:
    """A page that asks for the password again first, unless that was a moment ago; it leads back to the page, or (where
    something was sent) to where it can be sent again."""

    @wraps(route)
    def guarded(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> ResponseReturnValue:
        try:
            return route(*args, **kwargs)
        except Forbidden as error:
            if error.code != "password_needed":
                raise
            back = request.full_path.removesuffix("?") if request.method == "GET" else request.form.get("back", "")
            return sessions.go_to(url_for("portal.prove", next=sessions.local_path(back, url_for("portal.security"))))

    return sessions.signed_in(guarded)


@routes.get("/security")
@sessions.signed_in
def security() -> Response:
    """All that proves a person, and what is open in their name."""
    person = actor()
    return page(
        "account/security.html",
        factors=services().factors.of(person),
        passkeys=services().passkeys.list(person),
        has_passkeys=services().passkeys.is_offered,
        open_sessions=services().sessions.list(person, present=sessions.current_secret()),
        tokens=services().tokens.list(person),
    )


@routes.route("/security/password", methods=["GET", "POST"])
@sessions.signed_in
def prove() -> Response:
    """Give the password again; ``?next=`` is where to go afterwards."""
    next_path = sessions.local_path(request.args.get("next"), url_for("portal.security"))
    form = PasswordAgainForm()
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            sessions.renew(services().step_up.for_session(actor(), form.password.data, sessions.current_secret() or ""))
        except InvalidInput:
            form.refuse_fields({"password": messages.field("present")})
        except TooManyAttempts as error:
            form.refuse(messages.refusal(error))
            status = STATUS[TooManyAttempts]
        else:
            return back_to(next_path)
    return page("account/prove.html", status, form=form, next_path=next_path)


@routes.route("/security/totp", methods=["GET", "POST"])
@asks_password
def add_totp() -> Response:
    """Set up an authenticator app: scan the code, give what the app shows."""
    proof, factors, form = proven(), services().factors, FactorForm()
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    try:
        if form.validate_on_submit():
            codes = factors.confirm_totp(actor(), proof, form.code.data)
            return _done(gettext("The authenticator app counts from now on."), codes)
    except InvalidInput as error:
        form.refuse_fields(messages.field_errors(error))
    except Conflict as error:
        notice("bad", messages.refusal(error))
        return back_to(url_for("portal.security"))
    try:
        offer = (factors.offered_totp(actor()) if form.is_submitted() else None) or factors.offer_totp(actor(), proof)
    except Conflict as error:
        notice("bad", messages.refusal(error))
        return back_to(url_for("portal.security"))
    picture = segno.make(offer.uri, micro=False).svg_inline(omitsize=True, svgclass="qr", lineclass=None, light="#fff")
    return page("account/totp.html", status, form=form, offer=offer, picture=picture)


@routes.post("/security/totp/remove")
@asks_password
def remove_totp() -> Response:
    """The authenticator app counts no more."""
    _require_token()
    services().factors.remove_totp(actor(), proven())
    notice("good", gettext("The authenticator app is removed."))
    return back_to(url_for("portal.security"))


@routes.post("/security/recovery-codes")
@asks_password
def make_recovery_codes() -> Response:
    """New recovery codes in place of the old ones."""
    _require_token()
    try:
        codes = services().factors.new_recovery_codes(actor(), proven())
    except Conflict as error:
        notice("bad", messages.refusal(error))
        return back_to(url_for("portal.security"))
    return _done(gettext("The old recovery codes are worthless now."), codes)


@routes.post("/security/passkeys/options")
@asks_password
def passkey_to_make() -> Response:
    """What the browser's authenticator is to make a passkey from, in JSON."""
    try:
        options = services().passkeys.offer_registration(actor(), proven())
    except LimitReached as error:
        notice("bad", messages.refusal(error))
        return sessions.go_to(url_for("portal.security"))
    return Response(options, content_type="application/json")


@routes.route("/security/passkeys", methods=["GET", "POST"])
@asks_password
def add_passkey() -> Response:
    """Add a passkey that the browser makes."""
    proof, form = proven(), NewPasskeyForm()
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            made = services().passkeys.register(actor(), proof, form.name.data, form.credential.data)
        except InvalidInput as error:
            form.credential.data = ""
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse(messages.refusal(error))
        else:
            return _done(gettext("“%(name)s” can be used from now on.", name=made.passkey.name), made.recovery_codes)
    return page("account/passkey.html", status, form=form)


@routes.post("/security/passkeys/<passkey_id>/remove")
@asks_password
def remove_passkey(passkey_id: str) -> Response:
    """A passkey lets nobody in any more."""
    _require_token()
    services().passkeys.remove(actor(), proven(), passkey_id)
    notice("good", gettext("The passkey is removed."))
    return back_to(url_for("portal.security"))


@routes.post("/security/sessions/<session_id>/end")
@sessions.signed_in
def end_session(session_id: str) -> Response:
    """Sign out in another browser."""
    _require_token()
    services().sessions.end(actor(), session_id)
    notice("good", gettext("That browser is signed out."))
    return back_to(url_for("portal.security"))


@routes.post("/security/sessions/end")
@sessions.signed_in
def end_other_sessions() -> Response:
    """Sign out in all other browsers."""
    _require_token()
    services().sessions.end_others(actor(), present=sessions.current_secret())
    notice("good", gettext("You are signed out everywhere else."))
    return back_to(url_for("portal.security"))


@routes.get("/security/sign-ins")
@sessions.signed_in
def sign_in_history() -> Response:
    """The tries to come in by one's account."""
    return page("account/sign_ins.html", tries=services().sessions.history(actor(), limit=100))


@routes.route("/security/address", methods=["GET", "POST"])
@asks_password
def change_address() -> Response:
    """Another address: confirmed by whoever reads its mail, where mail can be sent."""
    proof, form = proven(), AddressForm()
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            changed = services().regaining.change_address(actor(), proof, form.email.data)
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse_fields({"email": messages.refusal(error)})
        except TooManyAttempts as error:
            form.refuse(messages.refusal(error))
        else:
            email = form.email.data
            if changed:
                notice("good", gettext("Your address is %(email)s from now on.", email=email))
            else:
                notice("info", gettext("Follow the link in the mail to %(email)s.", email=email))
            return back_to(url_for("portal.security"))
    return page("account/address.html", status, form=form, is_by_mail=services().regaining.is_by_mail)


@routes.post("/security/tokens/<token_id>/revoke")
@sessions.signed_in
def revoke_token(token_id: str) -> Response:
    """A token is worthless from now on."""
    _require_token()
    services().tokens.revoke(actor(), token_id)
    notice("good", gettext("The token is worthless now."))
    return back_to(url_for("portal.security"))


def proven() -> Proven:
    """That whoever asks gave the password a moment ago. Raises Forbidden."""
    return services().step_up.of_session(actor(), sessions.current_secret() or "")


def _done(text: str, codes: object) -> Response:
    """Say what was done, with the recovery codes if there are any: they are shown only now."""
    if codes:
        return page("account/recovery_codes.html", text=text, codes=codes)
    notice("good", text)
    return back_to(url_for("portal.security"))


def _require_token() -> None:
    """Raises NotFound for a form that is none of ours."""
    if not EmptyForm().validate_on_submit():
        raise NotFound("not_found", "There is nothing at this address.")
