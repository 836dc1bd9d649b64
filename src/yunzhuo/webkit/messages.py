"""What pages say of refusals, of sign-ins and of times, in the person's language.

Services speak English sentences for logs and programs; people read these. A code that is not known has a sentence of its
kind, with the code beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask_babel import format_datetime, format_decimal, gettext, ngettext

from yunzhuo.phoenix.common.clock import SystemClock
from yunzhuo.phoenix.common.errors import InvalidInput, TooManyAttempts, YunzhuoError
from yunzhuo.services.access import READ_ONLY
from yunzhuo.webkit import words
from yunzhuo.webkit.context import services
from yunzhuo.webkit.problems import Problem
from yunzhuo.webkit.product import product

_MIB_PER_GIB = 1024
_SECONDS_PER_MINUTE = 60
_clock = SystemClock()
# What browsers call themselves is full of other browsers' names: the first mark that is found counts.
_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrom", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What an error page says: a heading, and what to make of it."""

    heading: str
    text: str


def trouble(problem: Problem) -> Trouble:
    """What to say on the page for an error."""
    if problem.code == "registration_closed":
        return Trouble(gettext("Registration is closed"), gettext("Ask your administrator for an account."))
    heading, text = words.TROUBLES.get(problem.status, words.OTHER_TROUBLE)
    return Trouble(str(heading), str(text))


def refusal(error: YunzhuoError) -> str:
    """Why something was refused or is broken, for the person who asked."""
    if isinstance(error, TooManyAttempts):
        minutes = max(1, -(-error.retry_after_seconds // _SECONDS_PER_MINUTE))
        text = ngettext(
            "Too many attempts. Try again in %(num)s minute.", "Too many attempts. Try again in %(num)s minutes.", minutes
        )
        return str(text)
    sentence = product().refusals.get(error.code)
    if sentence is None:
        return str(gettext("This did not work (%(code)s).", code=error.code))
    return str(sentence) % error.details if "%(" in str(sentence) else str(sentence)


def field_errors(error: InvalidInput) -> dict[str, str]:
    """What is wrong with which field."""
    if error.code in words.PASSWORDS:
        shortest = services().settings.accounts.password_min_length
        return dict.fromkeys(error.fields, str(words.PASSWORDS[error.code]) % {"count": shortest})
    return {name: str(product().fields.get(name, gettext("This value cannot be used."))) for name in error.fields}


def field(name: str) -> str:
    """What is wrong with a field that a service found wrong."""
    return str(product().fields.get(name, gettext("This value cannot be used.")))


def sign_in_method(method: str) -> str:
    """How somebody came in, or tried."""
    return str(words.SIGN_IN_METHODS.get(method, method))


def sign_in_outcome(outcome: str) -> str:
    """How a try to come in ended."""
    return str(words.SIGN_IN_OUTCOMES.get(outcome, outcome))


def browser(user_agent: str | None) -> str:
    """What a browser says of itself, as far as people know it: its name and the system's."""
    told = user_agent or ""
    name = next((name for mark, name in _BROWSERS if mark in told), "")
    system = next((name for mark, name in _SYSTEMS if mark in told), "")
    return " · ".join(part for part in (name, system) if part) or str(gettext("Unknown browser"))


def token_reach(verbs: Sequence[str] | None) -> str:
    """What a token may do."""
    if verbs is None:
        return str(gettext("all that its account may"))
    others = [verb for verb in verbs if verb != READ_ONLY]
    return ", ".join([*([str(gettext("only look"))] if READ_ONLY in verbs else []), *others])


def moment(at: datetime) -> str:
    """A time for people, in their own time zone."""
    return str(format_datetime(at, "medium"))


def seconds_since(moment: datetime) -> float:
    """How long ago that was; never less than 0."""
    return max((_clock.now() - moment).total_seconds(), 0.0)


def elapsed(moment: datetime) -> str:
    """How long ago, as the page's clock goes on showing it: ``12s``, ``1:05``."""
    minutes, seconds = divmod(int(seconds_since(moment)), _SECONDS_PER_MINUTE)
    return f"{minutes}:{seconds:02}" if minutes else str(gettext("%(seconds)ss", seconds=seconds))


def size(mebibytes: int) -> str:
    """A size for people: ``512 MB``, ``1.5 GB``."""
    if mebibytes < _MIB_PER_GIB:
        return f"{mebibytes} MB"
    return f"{format_decimal(round(mebibytes / _MIB_PER_GIB, 1))} GB"
