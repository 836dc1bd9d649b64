"""Users, as administrators run them."""

from typing import Any

from flask import request, url_for
from flask_babel import gettext, ngettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound
from yunzhuo.services.access import Role, scope_of
from yunzhuo.services.people import DesktopsOfDeleted, Person
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.administration import for_administrators
from yunzhuo.web.portal.forms import DeleteUserForm, NewUserForm, RoleForm
from yunzhuo.web.portal.pages import back_to, blueprint, for_those_who, notice, page, require_token
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.statuses import STATUS

PAGE_SIZE = 50
MAX_SEARCH = 64
_DISABLED = {"yes": True, "no": False}


@blueprint.get("/admin/users")
@for_those_who("user:read")
def user_list() -> Response:
    """The organization's accounts by address."""
    search = request.args.get("q", "").strip()[:MAX_SEARCH]
    role, disabled = request.args.get("role", ""), request.args.get("disabled", "")
    found = services().people.list(
        actor(),
        search=search or None,
        role=Role(role) if role in list(Role) else None,
        is_disabled=_DISABLED.get(disabled),
        limit=PAGE_SIZE,
        cursor=request.args.get("cursor") or None,
    )
    wish = {"q": search, "role": role, "disabled": disabled}
    return page(
        "admin/users.html",
        found=found,
        wish=wish,
        roles=list(Role),
        is_first="cursor" not in request.args,
        may_change=scope_of(actor(), "user:create") is not None,
    )


@blueprint.route("/admin/users/new", methods=["GET", "POST"])
@for_administrators
def new_user() -> Response:
    """Make an account; its one-time password is shown this once."""
    form = NewUserForm(role=Role.USER.value)
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            made = services().people.create(actor(), form.email.data, Role(form.role.data), password=form.password.data or None)
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse_fields({"email": messages.refusal(error)})
            status = STATUS[Conflict]
        else:
            return page("admin/access.html", made=made, is_new=True)
    return page("admin/new_user.html", status, form=form, min_length=services().settings.accounts.password_min_length)


@blueprint.get("/admin/users/<user_id>")
@for_those_who("user:read")
def user(user_id: str) -> Response:
    """One account, and what can be done with it."""
    return _user_page(services().people.get(actor(), user_id))


@blueprint.post("/admin/users/<user_id>/role")
@for_administrators
def change_role(user_id: str) -> Response:
    """Give a person another role."""
    form = RoleForm()
    if form.validate_on_submit():
        return _changed(user_id, lambda: services().people.change_role(actor(), user_id, Role(form.role.data)))
    raise InvalidInput("There is no such role.", fields={"role": f"One of {', '.join(Role)}."})


@blueprint.post("/admin/users/<user_id>/disabled")
@for_administrators
def change_disabled(user_id: str) -> Response:
    """Disable an account, or enable it again."""
    people, person = services().people, actor()
    require_token()
    if request.form.get("disabled") == "yes":
        return _changed(user_id, lambda: people.disable(person, user_id))
    return _changed(user_id, lambda: people.enable(person, user_id))


@blueprint.post("/admin/users/<user_id>/password-reset")
@for_administrators
def reset_password(user_id: str) -> Response:
    """Replace the password by a one-time one, shown this once."""
    require_token()
    try:
        made = services().people.reset_password(actor(), user_id)
    except Conflict as error:
        notice("bad", messages.refusal(error))
        return back_to(url_for("portal.user", user_id=user_id))
    return page("admin/access.html", made=made, is_new=False)


@blueprint.route("/admin/users/<user_id>/delete", methods=["GET", "POST"])
@for_administrators
def delete_user(user_id: str) -> Response:
    """Ask what happens to the desktops, then delete the account."""
    person = services().people.get(actor(), user_id)
    form = DeleteUserForm()
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            operations = services().people.delete(actor(), user_id, _answer(form), with_disk=form.personal_disk.data)
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse(messages.refusal(error))
            status = STATUS[Conflict]
        else:
            notice("good", _deleted(person, len(operations)))
            return back_to(url_for("portal.user_list"))
    return page("admin/delete_user.html", status, person=person, form=form)


def _answer(form: DeleteUserForm) -> DesktopsOfDeleted | None:
    match form.desktops.data:
        case "delete":
            return DesktopsOfDeleted()
        case "hand_over":
            try:
                return DesktopsOfDeleted(services().accounts.by_email(form.to.data or "").id)
            except (NotFound, InvalidInput) as error:
                raise InvalidInput("There is no such account.", fields={"to": "There is no such account."}) from error
        case _:
            return None


def _deleted(person: Person, desktops: int) -> str:
    if not desktops:
        return str(gettext("%(email)s is deleted.", email=person.user.email))
    text = ngettext(
        "%(email)s is deleted, and %(num)s desktop is being deleted.",
        "%(email)s is deleted, and %(num)s desktops are being deleted.",
        desktops,
        email=person.user.email,
    )
    return str(text)


def _changed(user_id: str, change: Any) -> Response:
    try:
        change()
    except Conflict as error:
        notice("bad", messages.refusal(error))
    else:
        notice("good", gettext("Saved."))
    return back_to(url_for("portal.user", user_id=user_id))


def _user_page(person: Person) -> Response:
    form = RoleForm(formdata=None, role=person.user.role.value)
    may_change = scope_of(actor(), "user:change_role") is not None
    may_secure = scope_of(actor(), "user:read_sign_ins") is not None
    is_own = person.user.id == actor().user_id
    return page("admin/user.html", person=person, form=form, is_own=is_own, may_change=may_change, may_secure=may_secure)
