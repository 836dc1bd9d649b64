"""What pages say of roll-outs."""

from collections.abc import Mapping

from flask_babel import gettext, lazy_gettext, ngettext
from flask_babel.speaklater import LazyString

from yunzhuo.services.rollout_book import ImageRef, RolloutView
from yunzhuo.services.rules.rollouts import RolloutStatus, RolloutVerb

REFUSALS: Mapping[str, LazyString] = {
    "rollout_goes_on": lazy_gettext("A roll-out goes on in this pool. Let it end, or go back, first."),
    "rollout_not_found": lazy_gettext("This pool has no roll-out."),
    "rollout_not_there": lazy_gettext("The roll-out is somewhere else by now. Look at it again."),
}
FIELDS: Mapping[str, LazyString] = {
    "stages": lazy_gettext("Up to ten percents that rise; the last is 100."),
    "at_once_percent": lazy_gettext("A number from 1 to 100."),
    "most_failures": lazy_gettext("A number from 1 to 20."),
    "notice_hours": lazy_gettext("A number of hours up to a week."),
}
VERBS: Mapping[RolloutVerb, LazyString] = {
    RolloutVerb.ADVANCE: lazy_gettext("Go on to the next stage"),
    RolloutVerb.RESUME: lazy_gettext("Go on"),
    RolloutVerb.PAUSE: lazy_gettext("Pause"),
    RolloutVerb.BACK: lazy_gettext("Way back"),
}


def image(ref: ImageRef) -> str:
    """An image with its version, if it has one."""
    return f"{ref.name} ({ref.version})" if ref.version else ref.name


def headline(view: RolloutView) -> str:
    """From where to where, in a sentence."""
    if view.is_back:
        return str(gettext("Back from %(old)s to %(new)s", old=image(view.target), new=image(view.origin)))
    return str(gettext("From %(old)s to %(new)s", old=image(view.origin), new=image(view.target)))


def progress(view: RolloutView) -> str:
    """How many have it."""
    text = ngettext(
        "%(count)s of %(num)s desktop has it.", "%(count)s of %(num)s desktops have it.", view.there, count=view.have_it
    )
    return str(text)


def standing(view: RolloutView) -> str:
    """Where it stands, and what it waits for."""
    match view.status:
        case RolloutStatus.PAUSED:
            return str(gettext("Paused. What stands ready serves; nothing more becomes new."))
        case RolloutStatus.STOPPED:
            return str(gettext("Stopped by itself: new desktops could not be made. The ones before serve on."))
        case RolloutStatus.DONE:
            return str(gettext("Done."))
    if view.is_back:
        return str(gettext("Goes back, a share at a time."))
    numbers = {"stage": view.stage + 1, "stages": len(view.stages), "level": view.level, "share": view.at_once}
    if view.is_stage_reached and RolloutVerb.ADVANCE in view.verbs:
        return str(gettext("Stage %(stage)s of %(stages)s is reached. Look at the new desktops, then go on.", **numbers))
    return str(gettext("Stage %(stage)s of %(stages)s: up to %(level)s desktops, %(share)s at once.", **numbers))


def people(view: RolloutView) -> str | None:
    """Whom it waits for; None: for nobody."""
    if not view.with_people or view.status is RolloutStatus.DONE:
        return None
    return str(
        ngettext(
            "%(num)s desktop that somebody has is left alone until it is given back or nobody uses it.",
            "%(num)s desktops that people have are left alone until they are given back or nobody uses them.",
            view.with_people,
        )
    )
