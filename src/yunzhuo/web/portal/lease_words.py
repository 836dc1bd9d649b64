"""What pages say of leases and the bin."""

from collections.abc import Mapping
from datetime import date

from flask_babel import format_date, get_locale, lazy_gettext, ngettext
from flask_babel.speaklater import LazyString

from yunzhuo.services.rules.leases import Terms

REFUSALS: Mapping[str, LazyString] = {
    "has_no_end": lazy_gettext("This desktop has no end that could be put off."),
    "no_extensions_left": lazy_gettext("The end of this desktop cannot be put off any more. Ask your administrator."),
    "end_not_near": lazy_gettext("The end of this desktop is not near yet."),
    "in_bin": lazy_gettext("This desktop is in the bin."),
    "not_in_bin": lazy_gettext("This desktop is not in the bin."),
    "bin_full": lazy_gettext("There are %(limit)s desktops in your bin already. Delete one of them for good first."),
}
FIELDS: Mapping[str, LazyString] = {
    "days": lazy_gettext("A number of days up to ten years, or nothing."),
    "extend_days": lazy_gettext("A number of days from 1 on."),
    "extend_times": lazy_gettext("A number from 0 to 100."),
    "warn_hours": lazy_gettext("One to five numbers of hours, as 168, 24, 1."),
    "bin_days": lazy_gettext("A number of days from 0 to 90; 0 for a floating pool."),
    "ends_at": lazy_gettext("A day and time to come."),
}


def length(terms: Terms) -> str:
    """For how long desktops are given."""
    if terms.days is None:
        return str(lazy_gettext("Without an end"))
    return str(ngettext("%(num)s day", "%(num)s days", terms.days))


def extensions(terms: Terms) -> str:
    """Who may put an end off, how often and by how much."""
    if not terms.extend_times:
        return str(lazy_gettext("Only by administrators"))
    by = {"days": terms.extend_days}
    return str(ngettext("%(num)s time, by %(days)s days", "%(num)s times, by %(days)s days each", terms.extend_times, **by))


def bin_days(terms: Terms) -> str:
    """How long what is deleted can be had back."""
    if not terms.bin_days:
        return str(lazy_gettext("None"))
    return str(ngettext("%(num)s day", "%(num)s days", terms.bin_days))


def month(first: date) -> str:
    """A month, as “March 2026”."""
    return str(format_date(first, "yyyy年M月" if str(get_locale()).startswith("zh") else "MMMM yyyy"))


def weekday(day: date) -> str:
    """A day of the week, in short."""
    return str(format_date(day, "EEE"))


def day(found: date) -> str:
    """A day with its month and year."""
    return str(format_date(found, "long"))
