"""What all pages share: the blueprint, how a page or a part of one is rendered, and the page that says what went wrong."""

from collections.abc import Mapping
from typing import Any, cast

from flask import Blueprint, Flask, make_response, render_template, request
from flask.blueprints import BlueprintSetupState
from flask_babel import lazy_gettext
from werkzeug.wrappers import Response

from yunzhuo.services.access import GRANTS, Actor, Role, Scope, covers, grants_of, scope_of
from yunzhuo.services.accounts import UserView
from yunzhuo.services.licensing import LicenseNotice
from yunzhuo.web.portal import lease_words, license_words, messages, rollout_words, schedule_words, words
from yunzhuo.web.portal.gateway_words import amount, gateway_health, screen_end, with_breaks
from yunzhuo.web.portal.image_words import image_state, image_visibility
from yunzhuo.web.portal.pool_words import kind_name, shares, standing
from yunzhuo.webkit import account, actor, pages, product, services
from yunzhuo.webkit.context import signed_in_user
from yunzhuo.webkit.pages import back_to, for_those_who, may_do, notice, require_token, saved

__all__ = ["back_to", "for_those_who", "may_do", "notice", "require_token", "saved"]

HOME = "portal.desktop_list"
EVENTS = "/events"  # answered by the stream process

_WAYS = (
    ("overview", "portal.overview", lazy_gettext("Overview"), "overview:read"),
    ("users", "portal.user_list", lazy_gettext("Users"), "user:read"),
    ("groups", "portal.group_list", lazy_gettext("Groups"), "group:read"),
    ("roles", "portal.role_list", lazy_gettext("Roles"), "role:read"),
    ("quotas", "portal.quota_list", lazy_gettext("Quotas"), "quota:change"),
    ("pools", "portal.pool_list", lazy_gettext("Pools"), "pool:read"),
    ("schedules", "portal.schedule_list", lazy_gettext("Schedules"), "schedule:read"),
    ("leases", "portal.lease_terms", lazy_gettext("Leases"), "lease:read"),
    ("desktops", "portal.all_desktops", lazy_gettext("All desktops"), "overview:read"),
    ("operations", "portal.operation_list", lazy_gettext("Operations"), "overview:read"),
    ("screens", "portal.screen_list", lazy_gettext("Open screens"), "screen:read"),
    ("policies", "portal.policy_list", lazy_gettext("Screen policies"), "policy:read"),
    ("gateways", "portal.gateway_list", lazy_gettext("Gateways"), "gateway:read"),
    ("addresses", "portal.address_list", lazy_gettext("Floating IPs"), "address:read"),
    ("hosts", "portal.host_list", lazy_gettext("Hosts"), "host:read"),
    ("catalog", "portal.catalog", lazy_gettext("Images and sizes"), "overview:read"),
    ("audit", "portal.audit_log", lazy_gettext("Audit log"), "audit:read"),
    ("organizations", "portal.organization_list", lazy_gettext("Organizations"), "organization:read"),
    ("license", "portal.license_page", lazy_gettext("License"), "license:read"),
    ("settings", "portal.settings", lazy_gettext("Settings"), "settings:read"),
)

blueprint = Blueprint("portal", __name__, template_folder="templates")
_PRODUCT = product.Product(
    name=lazy_gettext("Yunzhuo"),
    greeting=lazy_gettext("Your desktop is waiting."),
    home=HOME,
    home_words=lazy_gettext("My desktops"),
    home_icon="desktop",
    roles=words.ROLES,
    refusals=words.REFUSALS,
    fields=words.FIELDS,
    makes_tokens=True,
)


def _set_up(state: BlueprintSetupState) -> None:
    app = cast(Flask, state.app)
    product.install(app, _PRODUCT)
    pages.set_up(app, _for_all_templates)
    state.app.jinja_env.filters.update(pool_kind=kind_name, pool_shares=shares, pool_standing=standing)
    state.app.jinja_env.filters.update(
        amount=amount, gateway_health=gateway_health, screen_end=screen_end, with_breaks=with_breaks
    )
    state.app.jinja_env.filters.update(image_state=image_state, image_visibility=image_visibility)


blueprint.record_once(_set_up)
for each in account.ROUTES:
    each.add_to(blueprint)


def _for_all_templates() -> dict[str, object]:
    return {
        "messages": messages,
        "is_administrator": is_administrator,
        "admin_ways": admin_ways,
        "givable_roles": givable_roles,
        "is_visiting": lambda: actor().is_visiting,
        "sees_others": sees_others,
        "license_notice": license_notice,
        "license_words": license_words,
        "schedule_words": schedule_words,
        "lease_words": lease_words,
        "rollout_words": rollout_words,
    }


def is_administrator(user: UserView | Actor) -> bool:
    """Whether somebody runs an organization."""
    return user.role in (Role.ADMINISTRATOR, Role.OPERATOR)


def sees_others() -> bool:
    """Whether whoever asks sees desktops of other people."""
    return scope_of(actor(), "desktop:read") in (Scope.GROUP, Scope.ORGANIZATION) or bool(actor().delegated)


def license_notice() -> LicenseNotice | None:
    """What whoever runs an organization is to know of the license near its end."""
    return services().licensing.notice(actor()) if may_do("overview:read") else None


def admin_ways() -> list[tuple[str, str, str]]:
    """The pages of the administration that there are for whoever asks: name, endpoint, words."""
    return [(name, endpoint, str(words)) for name, endpoint, words, verb in _WAYS if may_do(verb)]


def givable_roles() -> list[tuple[str, str]]:
    """The built-in roles that whoever asks can give somebody, with their names."""
    mine = grants_of(actor())
    return [(role, messages.role_name(role)) for role in Role if covers(mine, GRANTS[role])]


def is_part() -> bool:
    """Whether the browser asks for a part of a page (htmx, or a script of ours), not for a page."""
    return request.headers.get("HX-Request") == "true"


def events_from_now() -> str:
    """The address of the stream of changes from now on: asked for before what a page shows is read, so that none is missed."""
    return f"{EVENTS}?last_event_id={services().events.latest_id()}"


def page(template: str, status: int = 200, **values: Any) -> Response:
    """A page."""
    return pages.page(f"portal/{template}", status, **values)


def part(template: str, headers: Mapping[str, str] | None = None, **values: Any) -> Response:
    """A part of a page, with the notices that wait to be shown."""
    html = render_template(f"portal/{template}", user=signed_in_user(), **values)
    notices = render_template("notices.html", is_part=True)
    return make_response(html + notices, 200, dict(headers or {}))
