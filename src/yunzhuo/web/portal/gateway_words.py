"""What pages say of gateways and open screens."""

import re
from collections.abc import Mapping
from typing import Final

from flask_babel import format_decimal, lazy_gettext
from flask_babel.speaklater import LazyString
from markupsafe import Markup

from yunzhuo.services.gateways import Health

REFUSALS: Mapping[str, LazyString] = {
    "gateway_name_taken": lazy_gettext("There is a gateway of this name already."),
    "gateway_in_use": lazy_gettext("People are connected through this gateway. Drain it first."),
    "segment_exists": lazy_gettext("This network, or another one of this name, is there already."),
}
_BYTES_PER_UNIT = 1024
_SHOWN_WITH_FRACTION = 100
_SIGNS: Final = re.compile(r"(?<=[@./:_-])(?=[^@./:_-])")
_HEALTH: Mapping[Health, LazyString] = {
    Health.WELL: lazy_gettext("Well"),
    Health.SILENT: lazy_gettext("Silent"),
    Health.UNSEEN: lazy_gettext("Never seen"),
}

# Why a screen was closed: the gateway's word, or ours.
_ENDS: Mapping[str, LazyString] = {
    "viewer_closed": lazy_gettext("Closed by the person"),
    "resumed": lazy_gettext("Went on over another connection"),
    "viewer_lost": lazy_gettext("Connection lost"),
    "viewer_silent": lazy_gettext("Connection lost"),
    "screen_closed": lazy_gettext("Closed by the desktop"),
    "screen_violation": lazy_gettext("The desktop's screen said nonsense"),
    "screen_unreachable": lazy_gettext("The desktop's screen did not answer"),
    "screen_refused": lazy_gettext("The desktop's screen did not answer"),
    "viewer_violation": lazy_gettext("The viewer said nonsense"),
    "handshake_timeout": lazy_gettext("The viewer took too long"),
    "policy": lazy_gettext("The policy does not allow it"),
    "gateway_stopping": lazy_gettext("The gateway stopped"),
    "gateway_lost": lazy_gettext("The gateway was lost"),
    "user_disabled": lazy_gettext("The account was disabled"),
    "desktop_deleted": lazy_gettext("The desktop was deleted"),
    "signed_out": lazy_gettext("The sign-in was ended"),
    "time_over": lazy_gettext("Its time was over"),
    "right_ended": lazy_gettext("The right ended"),
    "ended_by_administrator": lazy_gettext("Closed by an administrator"),
    "idle": lazy_gettext("Closed because nobody used it"),
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


def with_breaks(address: str) -> Markup:
    """An address that may go on in the next line behind its signs, and nowhere else: ``a@<wbr>b.<wbr>c``."""
    return Markup("<wbr>").join(_SIGNS.split(address))
