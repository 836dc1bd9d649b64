"""What pages say of pools."""

from collections.abc import Mapping

from flask_babel import gettext, lazy_gettext, ngettext
from flask_babel.speaklater import LazyString

from yunzhuo.services.claims import PoolOffer
from yunzhuo.services.pools import PoolView
from yunzhuo.services.rules.pools import Counts, Kind, Way

REFUSALS: Mapping[str, LazyString] = {
    "pool_name_taken": lazy_gettext("There is a pool of this name already."),
    "pool_kind_stays": lazy_gettext("A pool stays fixed or floating. Make another one."),
    "pool_full": lazy_gettext("All desktops of this pool are taken. Please try again later."),
    "pool_is_dedicated": lazy_gettext("Desktops of this pool are kept by their people, not given back."),
    "has_one_of_pool": lazy_gettext("This person has a desktop of that pool already."),
}
FIELDS: Mapping[str, LazyString] = {
    "capacity": lazy_gettext("A number from 1 to 2000."),
    "spares": lazy_gettext("A number from 0 to the pool's capacity."),
    "network": lazy_gettext("There is no such network any more."),
    "security_groups": lazy_gettext("One of these security groups is not there any more."),
    "hours": lazy_gettext("A line is like “mon-fri 07:30-18:00 5”: days, hours, how many."),
    "time_zone": lazy_gettext("There is no such time zone; a name is like Asia/Shanghai."),
    "release_after_minutes": lazy_gettext("A number of minutes up to a week, for floating pools only."),
    "goal_seconds": lazy_gettext("A number of seconds up to an hour."),
}
KINDS: Mapping[Kind, LazyString] = {
    Kind.FLOATING: lazy_gettext("Floating: replaced after use"),
    Kind.DEDICATED: lazy_gettext("Fixed: kept by its person"),
}
_KIND_NAMES: Mapping[Kind, LazyString] = {Kind.FLOATING: lazy_gettext("Floating"), Kind.DEDICATED: lazy_gettext("Fixed")}
_WAYS: Mapping[Way, LazyString] = {
    Way.COMING: lazy_gettext("No desktop stood ready. The next one is being built already, and it is yours."),
    Way.BUILT: lazy_gettext("No desktop stood ready. One is being built for you."),
}


def kind_name(kind: Kind) -> str:
    """What becomes of a pool's desktops, in a word."""
    return str(_KIND_NAMES[kind])


def wait(way: Way) -> str | None:
    """Why somebody has to wait for the desktop they were given; None when they do not."""
    return str(_WAYS[way]) if way in _WAYS else None


def standing(offer: PoolOffer) -> str:
    """What somebody gets of a pool now."""
    if offer.desktop_id is not None:
        return str(gettext("You have a desktop of it."))
    if offer.is_full:
        return str(gettext("All desktops are taken. Look again later."))
    if offer.is_ready:
        return str(gettext("Ready at once."))
    return str(gettext("Built when you ask for it; that takes a moment."))


def shares(view: PoolView) -> list[tuple[str, int, str]]:
    """The parts of a pool's bar: which, how many, and in words."""
    counts = view.counts
    away = counts.leaving + counts.broken + counts.lost
    free = room(view.capacity, counts)
    return [
        ("used", counts.in_use, ngettext("%(num)s in use", "%(num)s in use", counts.in_use)),
        ("ready", counts.ready, ngettext("%(num)s ready", "%(num)s ready", counts.ready)),
        ("coming", counts.coming, ngettext("%(num)s being built", "%(num)s being built", counts.coming)),
        ("away", away, ngettext("%(num)s being removed", "%(num)s being removed", away)),
        ("free", free, ngettext("%(num)s still possible", "%(num)s still possible", free)),
    ]


def room(capacity: int, counts: Counts) -> int:
    """How many more there may be."""
    return max(0, capacity - counts.there)
