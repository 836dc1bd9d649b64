"""What pages say of the installation's license."""

from collections.abc import Mapping

from flask_babel import format_date, gettext, lazy_gettext, ngettext
from flask_babel.speaklater import LazyString

from yunzhuo.services.licensing import LicenseNotice
from yunzhuo.services.rules.licensing import REACHES, WARNED_DAYS, Phase, Reach
from yunzhuo.web.portal.license_refusals import LICENSE_REFUSALS
from yunzhuo.webkit.license_words import feature_name, limit_amount, limit_name

__all__ = ["feature_name", "limit_amount", "limit_name"]

_DAYS_TOLD = max(WARNED_DAYS)

_PHASES: Mapping[Phase, LazyString] = {
    Phase.UNLICENSED: lazy_gettext("Without a license"),
    Phase.MISSING: lazy_gettext("License needed"),
    Phase.NOT_YET: lazy_gettext("Not yet in force"),
    Phase.ACTIVE: lazy_gettext("In force"),
    Phase.GRACE: lazy_gettext("Ended, in grace"),
    Phase.ENDED: lazy_gettext("Ended"),
    Phase.WITHDRAWN: lazy_gettext("Withdrawn"),
    Phase.CLOCK_BACK: lazy_gettext("The clock was put back"),
    Phase.EDITED: lazy_gettext("Edited"),
}

_MEANINGS: Mapping[Phase, LazyString] = {
    Phase.UNLICENSED: lazy_gettext("This installation has no license and needs none: it is whole and without limits."),
    Phase.MISSING: lazy_gettext(
        "This Yunzhuo needs a license. Send the host-info file to your vendor, and upload what comes back."
    ),
    Phase.NOT_YET: lazy_gettext("The license does not count yet, or the clock of this computer is behind."),
    Phase.ACTIVE: lazy_gettext("The license is in force."),
    Phase.GRACE: lazy_gettext("The license has ended. What is there goes on for now; nothing new is made. Renew it."),
    Phase.ENDED: lazy_gettext("The license has ended. Desktops can be stopped, saved and deleted. Renew it."),
    Phase.WITHDRAWN: lazy_gettext("The vendor has withdrawn the license. Desktops can be stopped, saved and deleted."),
    Phase.CLOCK_BACK: lazy_gettext(
        "The clock of this computer was put back. Set it right and the license counts again; if it was far ahead before, ask "
        "your vendor for a newer license."
    ),
    Phase.EDITED: lazy_gettext("What the database keeps of the license was edited. Ask your vendor for a newer license."),
}


def phase_name(phase: Phase) -> str:
    """Where the installation is with its license, in a word."""
    return str(_PHASES[phase])


def phase_meaning(phase: Phase) -> str:
    """What that means, and what to do."""
    return str(_MEANINGS[phase])


def phase_color(phase: Phase) -> str:
    """How the word looks: good, calm or bad."""
    if phase is Phase.UNLICENSED:
        return "calm"
    return "good" if REACHES[phase] is Reach.ALL else "bad"


def trouble(code: str) -> str:
    """What went wrong with the license server."""
    return str(LICENSE_REFUSALS.get(code, gettext("This did not work (%(code)s).", code=code)))


def notice_sentences(notice: LicenseNotice) -> list[str]:
    """What the bar says."""
    said: list[str] = []
    days = notice.days_left
    if notice.phase is Phase.ACTIVE:
        if days is not None and notice.ends_at is not None and days <= _DAYS_TOLD:
            date = format_date(notice.ends_at, "long")
            text = ngettext(
                "The license ends in %(num)s day, on %(date)s.",
                "The license ends in %(num)s days, on %(date)s.",
                days,
                date=date,
            )
            said.append(str(text))
    elif notice.phase is Phase.GRACE and days is not None:
        text = ngettext(
            "The license has ended. Nothing new is made; what is there goes on for %(num)s more day.",
            "The license has ended. Nothing new is made; what is there goes on for %(num)s more days.",
            days,
        )
        said.append(str(text))
    else:
        said.append(phase_meaning(notice.phase))
    for limit, percent in notice.limits.items():
        said.append(
            str(gettext("%(limit)s: %(percent)s %% of what is licensed are used.", limit=limit_name(limit), percent=percent))
        )
    return said
