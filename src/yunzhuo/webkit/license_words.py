"""What pages call what a license counts and allows: the installation's own page, and the vendor's."""

from collections.abc import Mapping

from flask_babel import format_decimal, gettext, lazy_gettext
from flask_babel.speaklater import LazyString

from yunzhuo.services.license_book import Limit
from yunzhuo.services.rules.licensing import Feature
from yunzhuo.webkit import messages

_SIZES = (Limit.MEMORY_MIB, Limit.DISK_MIB)

_LIMITS: Mapping[Limit, LazyString] = {
    Limit.DESKTOPS: lazy_gettext("Running desktops"),
    Limit.USERS: lazy_gettext("Users"),
    Limit.IMAGES: lazy_gettext("Images"),
    Limit.VCPUS: lazy_gettext("Processors"),
    Limit.MEMORY_MIB: lazy_gettext("Memory"),
    Limit.DISK_MIB: lazy_gettext("Disk"),
}

_FEATURES: Mapping[Feature, LazyString] = {
    Feature.POOLS: lazy_gettext("Desktop pools"),
    Feature.PERSONAL_DISKS: lazy_gettext("Personal disks"),
    Feature.GATEWAYS: lazy_gettext("Gateways on other computers"),
    Feature.API_TOKENS: lazy_gettext("API tokens for programs"),
}


def feature_name(feature: Feature) -> str:
    """What a feature is called."""
    return str(_FEATURES[feature])


def limit_name(limit: Limit) -> str:
    """What is counted."""
    return str(_LIMITS[limit])


def limit_amount(limit: Limit, number: int | None) -> str:
    """So much of it."""
    if number is None:
        return str(gettext("without limit"))
    return messages.size(number) if limit in _SIZES else str(format_decimal(number))
