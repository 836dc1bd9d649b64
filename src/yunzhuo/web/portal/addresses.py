"""Floating IPs as administrators see them."""

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString
from werkzeug.wrappers import Response

from yunzhuo.services.addresses import AddressState
from yunzhuo.web.portal.pages import blueprint, for_those_who, page
from yunzhuo.webkit import actor, services

# What each state is called, and how it looks.
_STATES: Mapping[AddressState, tuple[LazyString, str]] = {
    AddressState.COMING: (lazy_gettext("On its way"), "busy"),
    AddressState.IN_USE: (lazy_gettext("In use"), "good"),
    AddressState.FREE: (lazy_gettext("Free"), "calm"),
    AddressState.LEAVING: (lazy_gettext("Not free yet"), "busy"),
}


@blueprint.get("/admin/addresses")
@for_those_who("address:read")
def address_list() -> Response:
    """Which there are, and which desktops have them."""
    addresses = services().addresses
    return page("admin/addresses.html", found=addresses.list(actor()), is_offered=addresses.is_offered(actor()), states=_STATES)
