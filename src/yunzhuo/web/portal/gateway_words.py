"""What pages say of gateways and open screens."""

from collections.abc import Mapping

from flask_babel import format_decimal, lazy_gettext
from flask_babel.speaklater import LazyString

from yunzhuo.services.gateways import Health

_BYTES_PER_UNIT = 1024
_SHOWN_WITH_FRACTION = 100
_HEALTH: Mapping[Health, LazyString] = {
    Health.WELL: lazy_gettext("Well"),
    Health.SILENT: lazy_gettext("Silent"),
    Health.UNSEEN: lazy_gettext("Never seen"),
}

# Why a screen was closed: the gateway's word, or ours.
_ENDS: Mapping[str, LazyString] = {
    "viewer_closed": lazy_gettext("Closed by the person"),
    "viewer_lost": lazy_gettext("Connection lost"),
    "viewer_silent": lazy_gettext("Connection lost"),
    "screen_closed": lazy_gettext("Closed by the desktop"),
    "gateway_stopping": lazy_gettext("The gateway stopped"),
    "gateway_lost": lazy_gettext("The gateway was lost"),
    "user_disabled": lazy_gettext("The account was disabled"),
    "desktop_deleted": lazy_gettext("The desktop was deleted"),
    "signed_out": lazy_gettext("The sign-in was ended"),
    "time_over": lazy_gettext("Its time was over"),
    "right_ended": lazy_gettext("The right ended"),
    "ended_by_administrator": lazy_gettext("Closed by an administrator"),
}


def gateway_health(health: Health) -> str:
    """How a gateway is."""
    return str(_HEALTH[health])


def screen_end(reason: str | None) -> str:
    """Why a screen was closed."""
    return str(_ENDS.get(reason or "", reason or ""))


def amount(count: int) -> str:
    """Bytes for people: ``12 KB``, ``3.4 MB``."""
    if count < _BYTES_PER_UNIT:
        return f"{count} B"
    value, units = count / _BYTES_PER_UNIT, ["KB", "MB", "GB", "TB"]
    while value >= _BYTES_PER_UNIT and len(units) > 1:
        value /= _BYTES_PER_UNIT
        del units[0]
    return f"{format_decimal(round(value, 1 if value < _SHOWN_WITH_FRACTION else 0))} {units[0]}"
