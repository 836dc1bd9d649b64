"""The administration: what is broken now, hosts, images and sizes, settings. For everybody else it is not there."""

from collections.abc import Callable
from itertools import groupby
from typing import ParamSpec

from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput, NotFound, YunzhuoError
from yunzhuo.phoenix.config.reference import toml_value
from yunzhuo.services.desktop_views import DesktopView
from yunzhuo.services.overview import SettingView
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.pages import blueprint, for_those_who, page
from yunzhuo.webkit import actor, services
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


def for_administrators(
    route: Callable[_Arguments, ResponseReturnValue],
) -> Callable[_Arguments, ResponseReturnValue]:
    """A page for those who run an organization."""
    return for_those_who("overview:read")(route)


def person_with(email: str) -> str:
    """The id of the person of one's organization with this address. Raises InvalidInput, whoever else may have it."""
    try:
        found = services().accounts.by_email(email)
    except (NotFound, InvalidInput):
        found = None
    if found is None or found.organization_id != actor().organization_id:
        raise InvalidInput("There is no such account.", fields={"person": "There is no such account."})
    return found.id


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
