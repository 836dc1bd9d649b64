"""What the license server's pages share: the blueprint, which product it is, the ways between the pages."""

from typing import cast

from flask import Blueprint, Flask, Response, url_for
from flask.blueprints import BlueprintSetupState
from flask_babel import lazy_gettext

from yunzhuo.license.pages import words
from yunzhuo.webkit import account, license_words, pages, product
from yunzhuo.webkit.pages import for_those_who, may_do

HOME = "portal.installation_list"
_WAYS = (
    ("installations", HOME, lazy_gettext("Installations")),
    ("customers", "portal.customer_list", lazy_gettext("Customers")),
    ("lists", "portal.lists", lazy_gettext("Import and export")),
    ("keys", "portal.key_list", lazy_gettext("Signing keys")),
    ("vendors", "portal.vendor_list", lazy_gettext("Our people")),
)
_PRODUCT = product.Product(
    name=lazy_gettext("Yunzhuo licenses"),
    greeting=lazy_gettext("Licenses for your installations of Yunzhuo."),
    home=HOME,
    home_words=lazy_gettext("Installations"),
    home_icon="key",
    roles=words.ROLES,
    refusals=words.REFUSALS,
    fields=words.FIELDS,
)

blueprint = Blueprint("portal", __name__, template_folder="templates")
for each in account.ROUTES:
    each.add_to(blueprint)


def _set_up(state: BlueprintSetupState) -> None:
    app = cast(Flask, state.app)
    product.install(app, _PRODUCT)
    pages.set_up(app, _for_all_templates)
    app.jinja_env.filters["month_name"] = words.month_name


blueprint.record_once(_set_up)


def _for_all_templates() -> dict[str, object]:
    return {"words": words, "license_words": license_words, "is_vendor": is_vendor, "vendor_ways": vendor_ways}


for_vendors = for_those_who("license:change")


def is_vendor() -> bool:
    """Whether whoever asks is one of the vendor's own."""
    return may_do("license:change")


def vendor_ways() -> list[tuple[str, str, str]]:
    """The pages that vendor administrators go between: name, address, words."""
    return [(name, url_for(endpoint), str(label)) for name, endpoint, label in _WAYS]


def file(content: bytes, name: str, media_type: str) -> Response:
    """A file to be kept, which is in nobody's cache."""
    answer = Response(content, content_type=media_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer
