"""What the license server's pages say of states, reasons and refusals. The code is the service's, the sentence a person's."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from flask_babel import format_date, lazy_gettext
from flask_babel.speaklater import LazyString

from yunzhuo.license.rules import EXPIRED, Act, State
from yunzhuo.services.access import Role
from yunzhuo.webkit.words import ACCOUNT_FIELDS, ACCOUNT_REFUSALS

ROLES: Mapping[Role, LazyString] = {
    **dict.fromkeys(Role, lazy_gettext("Customer")),
    Role.OPERATOR: lazy_gettext("Vendor administrator"),
}

_STATES: Mapping[str, LazyString] = {
    State.WAITING: lazy_gettext("Waiting for its computer"),
    State.READY: lazy_gettext("Computer known"),
    State.ACTIVE: lazy_gettext("Active"),
    EXPIRED: lazy_gettext("Expired"),
    State.SUSPENDED: lazy_gettext("License suspended"),
    State.REVOKED: lazy_gettext("License revoked"),
}
_MEANINGS: Mapping[str, LazyString] = {
    State.WAITING: lazy_gettext("Its computer is not known yet: upload its host-info file, or enter the code there."),
    State.READY: lazy_gettext("Its computer is known; no license was issued yet."),
    State.ACTIVE: lazy_gettext("It has a license that counts."),
    EXPIRED: lazy_gettext("The time of its license is over."),
    State.SUSPENDED: lazy_gettext("Its newest license says that it is withdrawn. It can be resumed."),
    State.REVOKED: lazy_gettext("Its newest license says that it is withdrawn, for good."),
}
_COLORS: Mapping[str, str] = {State.WAITING: "calm", State.READY: "calm", State.ACTIVE: "good"}

_REASONS: Mapping[str, LazyString] = {
    Act.ISSUE: lazy_gettext("Issued"),
    "changed": lazy_gettext("Changed or renewed"),
    Act.SUSPEND: lazy_gettext("License suspended"),
    Act.RESUME: lazy_gettext("License resumed"),
    Act.REVOKE: lazy_gettext("License revoked"),
    Act.MOVE: lazy_gettext("For another computer"),
    "moved_away": lazy_gettext("Withdrawn from the computer before"),
}

EDITIONS: Mapping[str, LazyString] = {
    "standard": lazy_gettext("Standard"),
    "school": lazy_gettext("School"),
    "campus": lazy_gettext("Campus"),
}

REFUSALS: Mapping[str, LazyString] = {
    **ACCOUNT_REFUSALS,
    "not_in_this_state": lazy_gettext("This cannot be done to an installation in this state."),
    "license_still_counts": lazy_gettext("The license of “%(name)s” still counts. Revoke it first."),
    "installation_name_taken": lazy_gettext("This customer has an installation of this name already."),
    "installation_not_found": lazy_gettext("There is no such installation."),
    "customer_not_found": lazy_gettext("There is no such customer."),
    "organization_name_taken": lazy_gettext("There is a customer of this name already."),
    "last_contact": lazy_gettext("This is the customer's last contact. Add another one first."),
    "moved_too_often": lazy_gettext("It was moved %(moves)s times, and no more is allowed."),
    "host_taken": lazy_gettext("This computer belongs to another installation."),
    "no_common_key": lazy_gettext("The build of this installation trusts none of our signing keys."),
    "license_not_issued": lazy_gettext("No license was issued yet."),
    "host_info_unreadable": lazy_gettext("This is no host-info file, or it was edited or cut."),
    "host_info_unknown_key": lazy_gettext("This is no host-info file, or it was edited or cut."),
    "host_info_altered": lazy_gettext("Its signature does not fit: it was changed, or somebody else made it."),
    "made_meanwhile": lazy_gettext("Somebody made one of these meanwhile. Try again."),
    "file_too_large": lazy_gettext("This file is too large."),
}

FIELDS: Mapping[str, LazyString] = {
    **ACCOUNT_FIELDS,
    "expires_at": lazy_gettext("It ends before it begins."),
    "features": lazy_gettext("There is no such feature."),
}


def state_name(state: str) -> str:
    """Where an installation is, in a word."""
    return str(_STATES[state])


def state_meaning(state: str) -> str:
    """What that means."""
    return str(_MEANINGS[state])


def state_color(state: str) -> str:
    """How the word looks: good, calm or bad."""
    return _COLORS.get(state, "bad")


def states() -> list[tuple[str, str]]:
    """All states with their names."""
    return [(str(state), str(name)) for state, name in _STATES.items()]


def reason_name(reason: str) -> str:
    """Why a license was issued."""
    return str(_REASONS.get(reason, reason))


def edition_name(edition: str) -> str:
    """What an edition is called; one of the vendor's own as they call it."""
    return str(EDITIONS.get(edition, edition))


def last_day(expires_at: datetime) -> str:
    """The last day on which a license counts, wholly or in part (UTC)."""
    return str(format_date((expires_at - timedelta(microseconds=1)).date(), "medium"))


def month_name(day: datetime) -> str:
    """A month in a short word."""
    return str(format_date(day, "MMM"))
