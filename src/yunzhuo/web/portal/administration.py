"""The administration: what is broken now, hosts, images and sizes, settings. For everybody else it is not there."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import ParamSpec

from flask import request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import ngettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput, NotFound, YunzhuoError
from yunzhuo.phoenix.config.reference import toml_value
from yunzhuo.services.access import scope_of
from yunzhuo.services.cloud_images import ImageChanges, StoredImage
from yunzhuo.services.desktop_views import DesktopView
from yunzhuo.services.hosts import HostChange, Move, Moved
from yunzhuo.services.overview import SettingView
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.pages import blueprint, for_those_who, notice, page, require_token, saved
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.statuses import status_of

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
    may_change = services().settings.cloud.driver != "local" and scope_of(actor(), "host:update") is not None
    try:
        return page("admin/hosts.html", hosts=services().overview.hosts(actor()), problem=None, may_change=may_change)
    except YunzhuoError as error:
        return page("admin/hosts.html", status_of(error), hosts=[], problem=messages.refusal(error), may_change=False)


@blueprint.post("/admin/hosts/<host_id>")
@for_those_who("host:update")
def change_host(host_id: str) -> Response:
    """Close a host, open it, say that it is dead, or move what is on it."""
    require_token()
    hosts, person, wish = services().hosts, actor(), request.form.get("change", "")
    if wish in (Move.LIVE, Move.EVACUATE):
        return saved(lambda: _tell_moved(hosts.move(person, host_id, Move(wish))), url_for("portal.host_list"))
    if wish not in set(HostChange):
        raise InvalidInput("There is no such change.", fields={"change": "disable, enable, force_down, live or evacuate"})
    reason = request.form.get("reason", "")
    return saved(lambda: hosts.change(person, host_id, HostChange(wish), reason), url_for("portal.host_list"))


def _tell_moved(moved: Sequence[Moved]) -> None:
    """What became of the wish to empty a host."""
    refused = [(each.name, each.refusal) for each in moved if each.refusal is not None]
    asked = len(moved) - len(refused)
    notice("info", ngettext("%(num)s machine is on its way.", "%(num)s machines are on their way.", asked))
    for name, refusal in refused:
        notice("bad", f"{name}: {messages.refusal(refusal)}")


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
        stored=_stored_images(),
    )


def _stored_images() -> Sequence[StoredImage] | None:
    """All that the cloud has, for those who keep images; None where there is nothing to keep, or the cloud does not answer."""
    if scope_of(actor(), "image:read") is None:
        return None
    try:
        return services().cloud_images.list(actor())
    except YunzhuoError:
        return None


@blueprint.post("/admin/images/<image_id>")
@for_those_who("image:update")
def change_image(image_id: str) -> Response:
    """Take an image out of use, put it back, protect it, or let it be deleted."""
    require_token()
    images, person, here = services().cloud_images, actor(), url_for("portal.catalog")
    match request.form.get("change"):
        case "deactivate":
            return saved(lambda: images.deactivate(person, image_id), here)
        case "reactivate":
            return saved(lambda: images.reactivate(person, image_id), here)
        case "protect" | "unprotect" as wish:
            return saved(lambda: images.update(person, image_id, ImageChanges(is_protected=wish == "protect")), here)
        case _:
            raise InvalidInput("There is no such change.", fields={"change": "deactivate, reactivate, protect or unprotect"})


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
