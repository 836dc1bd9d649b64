"""What lets other people in, as administrators run it: invitations, service accounts, sessions, factors, tokens."""

from flask import url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput
from yunzhuo.services.access import Role, verbs_of
from yunzhuo.services.people import Person
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.administration import for_administrators
from yunzhuo.web.portal.forms import InviteForm, TokenForm
from yunzhuo.web.portal.pages import back_to, blueprint, notice, page, require_token
from yunzhuo.web.portal.tokens import wish_of
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.statuses import STATUS


@blueprint.route("/admin/invitations", methods=["GET", "POST"])
@for_administrators
def invitations() -> Response:
    """Who is invited, and a form to invite somebody."""
    form, made = InviteForm(role=Role.USER.value), None
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            made = services().registration.invite(actor(), form.email.data, Role(form.role.data))
            status = 200
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse_fields({"email": messages.refusal(error)})
        except Forbidden as error:
            form.refuse(messages.refusal(error))
    found = services().registration.invitations(actor())
    return page("admin/invitations.html", status, form=form, made=made, found=found)


@blueprint.post("/admin/invitations/<invitation_id>/withdraw")
@for_administrators
def withdraw_invitation(invitation_id: str) -> Response:
    """An invitation counts no more."""
    require_token()
    services().registration.withdraw(actor(), invitation_id)
    notice("good", gettext("The invitation is withdrawn."))
    return back_to(url_for("portal.invitations"))


@blueprint.route("/admin/users/new-service", methods=["GET", "POST"])
@for_administrators
def new_service() -> Response:
    """Make a service account."""
    form = InviteForm(role=Role.USER.value)
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            made = services().tokens.add_service(actor(), form.email.data, Role(form.role.data))
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse_fields({"email": messages.refusal(error)})
        else:
            return back_to(url_for("portal.person_security", user_id=made.id))
    return page("admin/new_service.html", status, form=form)


@blueprint.get("/admin/users/<user_id>/security")
@for_administrators
def person_security(user_id: str) -> Response:
    """What lets somebody in, and the tries to come in by their account."""
    return _security_page(services().people.get(actor(), user_id), TokenForm(formdata=None, reach="all", days=90))


@blueprint.post("/admin/users/<user_id>/tokens")
@for_administrators
def add_service_token(user_id: str) -> Response:
    """Make a token for a service account; it is shown this once."""
    person, form = services().people.get(actor(), user_id), TokenForm()
    if form.validate_on_submit():
        try:
            made = services().tokens.create_for(actor(), user_id, wish_of(form))
            return page("admin/service_token.html", person=person, made=made)
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse(messages.refusal(error))
    return _security_page(person, form, STATUS[InvalidInput])


@blueprint.post("/admin/users/<user_id>/tokens/<token_id>/revoke")
@for_administrators
def revoke_token_of(user_id: str, token_id: str) -> Response:
    """Somebody's token is worthless from now on."""
    require_token()
    services().tokens.revoke_of(actor(), user_id, token_id)
    notice("good", gettext("The token is worthless now."))
    return back_to(url_for("portal.person_security", user_id=user_id))


@blueprint.post("/admin/users/<user_id>/sessions/end")
@for_administrators
def end_sessions_of(user_id: str) -> Response:
    """Sign somebody out everywhere."""
    require_token()
    services().sessions.end_all_of(actor(), user_id)
    notice("good", gettext("This person is signed out everywhere."))
    return back_to(url_for("portal.person_security", user_id=user_id))


@blueprint.post("/admin/users/<user_id>/sessions/<session_id>/end")
@for_administrators
def end_session_of(user_id: str, session_id: str) -> Response:
    """Sign somebody out in one browser."""
    require_token()
    services().sessions.end_of(actor(), user_id, session_id)
    notice("good", gettext("That browser is signed out."))
    return back_to(url_for("portal.person_security", user_id=user_id))


@blueprint.post("/admin/users/<user_id>/factors/reset")
@for_administrators
def reset_factors(user_id: str) -> Response:
    """Take all second factors from somebody who has lost them."""
    require_token()
    try:
        services().factors.reset(actor(), user_id)
    except Conflict as error:
        notice("bad", messages.refusal(error))
    else:
        notice("good", gettext("The second factors are removed, and the person is signed out everywhere."))
    return back_to(url_for("portal.person_security", user_id=user_id))


def _security_page(person: Person, form: TokenForm, status: int = 200) -> Response:
    user_id = person.user.id
    return page(
        "admin/person_security.html",
        status,
        person=person,
        form=form,
        verbs=sorted(verbs_of(person.user.role)),
        is_own=user_id == actor().user_id,
        open_sessions=services().sessions.list_of(actor(), user_id),
        tries=services().sessions.history_of(actor(), user_id, limit=50),
        tokens=services().tokens.list_of(actor(), user_id),
    )
