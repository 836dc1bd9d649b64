"""What pages say of idle desktops."""

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from yunzhuo.services.rules.idle import IdleDeed

DEEDS: Mapping[str, LazyString] = {
    IdleDeed.STOP: lazy_gettext("Switch it off"),
    IdleDeed.SUSPEND: lazy_gettext("Suspend it"),
    IdleDeed.END_SCREEN: lazy_gettext("Close the screen"),
}
LABELS: Mapping[str, LazyString] = {
    "disconnected_minutes": lazy_gettext("Nobody has been connected for (minutes; nothing: never)"),
    "closed_minutes": lazy_gettext("The same outside of the pool's hours (minutes; nothing: no sooner)"),
    "no_input_minutes": lazy_gettext("Connected without keys and mouse for (minutes; nothing: never)"),
    "unassigned_minutes": lazy_gettext("Its person's account has been disabled for (minutes; nothing: never)"),
    "notice_minutes": lazy_gettext("People are told so many minutes before"),
    "busy_percent": lazy_gettext("A guest that uses so many percent of its processors is not idle (nothing: not asked)"),
}
_MINUTES = lazy_gettext("A number of minutes up to a week, or nothing.")
FIELDS: Mapping[str, LazyString] = {
    **dict.fromkeys(("disconnected_minutes", "closed_minutes", "no_input_minutes", "unassigned_minutes"), _MINUTES),
    "notice_minutes": lazy_gettext("A number of minutes from 1 to 120."),
    "busy_percent": lazy_gettext("A number from 5 to 100, or nothing."),
    "disconnected_deed": lazy_gettext("There is no screen to close where nobody is connected."),
}
