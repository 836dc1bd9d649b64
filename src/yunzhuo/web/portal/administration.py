"""The administration: what is broken now, hosts, images and sizes, settings. For everybody else it is not there."""

from collections.abc import Callable
from functools import wraps
from itertools import groupby
from typing import ParamSpec

from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound, YunzhuoError
from yunzhuo.phoenix.config.reference import toml_value
from yunzhuo.services.access import scope_of
from yunzhuo.services.desktop_views import DesktopView
from yunzhuo.services.overview import SettingView
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.forms import EmptyForm
from yunzhuo.web.portal.pages import back_to, blueprint, notice, page
from yunzhuo.webkit import actor, services, sessions
from yunzhuo.webkit.statuses import STATUS

_Arguments = ParamSpec("_Arguments")
# What is pressed to try again what failed (the buttons of web/portal/desktops.py).
_RETRIES = {
    Action.CREATE: "retry",
    Action.START: "start",
    Action.STOP: "stop",
    Action.REBOOT: "reboot",
    Action.SUSPEND: "suspend",
    Action.RESUME: "resume",
}


_Page = Callable[_Arguments, ResponseReturnValue]


def for_those_who(verb: str) -> Callable[[_Page[_Arguments]], _Page[_Arguments]]:
    """A page that exists for those only who may ``verb``; others who are signed in get a 404, as for any wrong address."""

    def kept(route: _Page[_Arguments]) -> _Page[_Arguments]:
        @wraps(route)
        def guarded(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> ResponseReturnValue:
            if scope_of(actor(), verb) is None:
                raise NotFound("not_found", "There is nothing at this address.")
            return route(*args, **kwargs)

        return sessions.signed_in(guarded)

    return kept


def for_administrators(route: _Page[_Arguments]) -> _Page[_Arguments]:
    """A page for those who run an organization."""
    return for_those_who("overview:read")(route)


def require_token() -> None:
    """Raises InvalidInput for a form that is none of ours."""
    if not EmptyForm().validate_on_submit():
        raise InvalidInput("The form is not valid.")


def person_with(email: str) -> str:
    """The id of the person of one's organization with this address. Raises InvalidInput, whoever else may have it."""
    try:
        found = services().accounts.by_email(email)
    except (NotFound, InvalidInput):
        found = None
    if found is None or found.organization_id != actor().organization_id:
        raise InvalidInput("There is no such account.", fields={"person": "There is no such account."})
    return found.id


def saved(change: Callable[[], object], address: str) -> Response:
    """Make a change, and go on to ``address`` with what became of it. What is not there or not allowed is an error page."""
    try:
        change()
    except (Conflict, InvalidInput) as error:
        known = messages.field_errors(error) if isinstance(error, InvalidInput) else {}
        notice("bad", " ".join(known.values()) or messages.refusal(error))
    else:
        notice("good", gettext("Saved."))
    return back_to(address)


@blueprint.get("/admin")
@for_administrators
def overview() -> Response:
    """What an administrator opens first: what is broken now, and how full it is."""
    return page("admin/overview.html", found=services().overview.look(actor()), retry=retry)


@blueprint.get("/admin/hosts")
@for_those_who("host:read")
def host_list() -> Response:
    """The hosts, and what is left on each."""
    try:
        return page("admin/hosts.html", hosts=services().overview.hosts(actor()), problem=None)
    except YunzhuoError as error:
        status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 503)
        return page("admin/hosts.html", status, hosts=[], problem=messages.refusal(error))


@blueprint.get("/admin/catalog")
@for_administrators
def catalog() -> Response:
    """Images and sizes, and how many desktops stand on each."""
    all_services, person = services(), actor()
    return page(
        "admin/catalog.html",
        images=all_services.catalog.images(person),
        flavors=all_services.catalog.flavors(person),
        used=all_services.overview.catalog_use(person),
    )


@blueprint.get("/admin/settings")
@for_those_who("settings:read")
def settings() -> Response:
    """The settings in force, to be read only."""
    found = services().overview.settings(actor())
    sections = [(name, list(group)) for name, group in groupby(found, key=_section)]
    return page("admin/settings.html", sections=sections, as_text=toml_value)


def retry(desktop: DesktopView) -> str | None:
    """The button that tries again what failed; None when that cannot be asked for now."""
    failed = desktop.operation.action
    return _RETRIES.get(failed) if failed in desktop.actions else None


def _section(setting: SettingView) -> str:
    return setting.name.rpartition(".")[0]
