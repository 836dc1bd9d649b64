"""The license server's own forms, and what they say as services know it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from flask_babel import lazy_gettext
from wtforms import DateField, EmailField, IntegerField, RadioField, SelectField, SelectMultipleField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from yunzhuo.license.installations import Terms
from yunzhuo.phoenix.security.licenses import Limits
from yunzhuo.services.rules.licensing import EDITIONS, Feature
from yunzhuo.webkit.forms import MAX_EMAIL, MAX_NAME, NEEDED, TOO_LONG, Form

_ANY_NUMBER = lazy_gettext("A whole number, or nothing: without limit.")
_NUMBER = lazy_gettext("From %(min)d to %(max)d.")
_LARGEST = 10**12
LIMITS = tuple(Limits.model_fields)


def _limit(label: object) -> IntegerField:
    return IntegerField(label, [Optional(), NumberRange(0, _LARGEST, _ANY_NUMBER)])


class TermsForm(Form):
    """What an installation may do and until when. An edition has its features; ``features`` are those beyond it."""

    name = StringField(lazy_gettext("Name"), [InputRequired(NEEDED), Length(max=MAX_NAME, message=TOO_LONG)])
    edition = RadioField(lazy_gettext("Edition"), [InputRequired(NEEDED)], validate_choice=False)
    features = SelectMultipleField(lazy_gettext("Features beyond the edition"), [Optional()], choices=list(Feature))
    starts = DateField(lazy_gettext("First day"), [Optional()])
    until = DateField(lazy_gettext("Last day"), [InputRequired(NEEDED)])
    grace_days = IntegerField(lazy_gettext("Days of grace after it"), [InputRequired(NEEDED), NumberRange(0, 366, _NUMBER)])
    moves_allowed = IntegerField(
        lazy_gettext("Moves to another computer"), [InputRequired(NEEDED), NumberRange(0, 1000, _NUMBER)]
    )
    desktops = _limit(lazy_gettext("Running desktops"))
    users = _limit(lazy_gettext("Users"))
    images = _limit(lazy_gettext("Images"))
    vcpus = _limit(lazy_gettext("Processors"))
    memory_mib = _limit(lazy_gettext("Memory (MiB)"))
    disk_mib = _limit(lazy_gettext("Disk (MiB)"))

    def terms(self, now: datetime, present: Terms | None = None) -> Terms:
        """The same for the service; a day that was not changed keeps its time."""
        edition = str(self.edition.data)
        chosen = {*EDITIONS.get(edition, ()), *(self.features.data or ())}
        return Terms(
            edition,
            tuple(feature for feature in Feature if feature in chosen),
            Limits(**{limit: self[limit].data for limit in LIMITS}),
            self._starts_at(now, present),
            self._expires_at(present),
            self.grace_days.data,
        )

    def _starts_at(self, now: datetime, present: Terms | None) -> datetime:
        if present is not None and self.starts.data in (None, present.starts_at.date()):
            return present.starts_at
        if self.starts.data in (None, now.date()):
            return now.replace(microsecond=0)
        return _midnight(self.starts.data)

    def _expires_at(self, present: Terms | None) -> datetime:
        if present is not None and self.until.data == last_day(present.expires_at):
            return present.expires_at
        return _midnight(self.until.data) + timedelta(days=1)


class NewInstallationForm(TermsForm):
    """An installation of a customer's."""

    customer = SelectField(lazy_gettext("Customer"), [InputRequired(NEEDED)], validate_choice=False)


class NameForm(Form):
    """A customer's name."""

    name = StringField(lazy_gettext("Name"), [InputRequired(NEEDED), Length(max=MAX_NAME, message=TOO_LONG)])


class PersonForm(Form):
    """Who gets an account, and in which language they read."""

    email = EmailField(lazy_gettext("E-mail address"), [InputRequired(NEEDED), Length(max=MAX_EMAIL, message=TOO_LONG)])
    language = SelectField(lazy_gettext("Language"), [Optional()], validate_choice=False)


def as_said(terms: Terms) -> dict[str, object]:
    """What a form of such terms shows."""
    return {
        "edition": terms.edition,
        "features": [feature for feature in terms.features if feature not in EDITIONS.get(terms.edition, ())],
        "starts": terms.starts_at.date(),
        "until": last_day(terms.expires_at),
        "grace_days": terms.grace_days,
        **terms.limits.model_dump(),
    }


def editions(present: str | None = None) -> Sequence[tuple[str, Sequence[Feature]]]:
    """The editions that can be chosen with their features; one that the vendor made up stays where it is."""
    own = [] if present is None or present in EDITIONS else [(present, ())]
    return [*EDITIONS.items(), *own]


def last_day(expires_at: datetime) -> date:
    """The last day (UTC) on which a license counts."""
    return (expires_at - timedelta(microseconds=1)).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
