"""What all forms share, and the forms of everybody's own account: what can be said of them before a service is asked."""

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import BooleanField, EmailField, HiddenField, PasswordField, RadioField, SelectField, StringField
from wtforms.validators import EqualTo, InputRequired, Length, Optional

from yunzhuo.services.accounts import LANGUAGES

MAX_EMAIL = 254  # RFC 5321, section 4.5.3.1.3, less the angle brackets
MAX_PASSWORD = 256
MAX_NAME = 64
MAX_CODE = 64
NEEDED = lazy_gettext("Please fill this in.")
TOO_LONG = lazy_gettext("At most %(max)d characters.")


class Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A form of ours, with room for what is wrong with it as a whole."""

    def refuse(self, text: str) -> None:
        """Say that the form as a whole was refused."""
        self.form_errors.append(text)

    def refuse_fields(self, errors: Mapping[str, str]) -> None:
        """Say what a service found wrong with fields; what is none of this form's fields is said of the whole."""
        for name, text in errors.items():
            if name in self:
                self[name].errors = [*self[name].errors, text]
            else:
                self.refuse(text)


class EmptyForm(Form):
    """Only the token that says that the request comes from our own pages."""


class SignInForm(Form):
    """Address and password."""

    email = EmailField(lazy_gettext("E-mail address"), [InputRequired(NEEDED), Length(max=MAX_EMAIL, message=TOO_LONG)])
    password = PasswordField(lazy_gettext("Password"), [InputRequired(NEEDED)])
    remember = BooleanField(lazy_gettext("Stay signed in on this computer"))


class FactorForm(Form):
    """A code beside the password."""

    code = StringField(lazy_gettext("Code"), [InputRequired(NEEDED), Length(max=MAX_CODE, message=TOO_LONG)])


class PasskeyForm(Form):
    """What an authenticator signed; a script fills it in."""

    credential = HiddenField(validators=[InputRequired()])


class NewPasskeyForm(PasskeyForm):
    """A passkey that an authenticator has made, and what it is called."""

    name = StringField(lazy_gettext("Name"), [InputRequired(NEEDED), Length(max=MAX_NAME, message=TOO_LONG)])


class AddressForm(Form):
    """An address alone: to register with, to be written to, to have from now on."""

    email = EmailField(lazy_gettext("E-mail address"), [InputRequired(NEEDED), Length(max=MAX_EMAIL, message=TOO_LONG)])


class PasswordAgainForm(Form):
    """The present password."""

    password = PasswordField(lazy_gettext("Current password"), [InputRequired(NEEDED)])


class ChosenPasswordForm(Form):
    """A password for an account, chosen by whoever has a link."""

    password = PasswordField(lazy_gettext("New password"), [InputRequired(NEEDED), Length(max=MAX_PASSWORD, message=TOO_LONG)])
    repeated = PasswordField(
        lazy_gettext("Repeat the new password"),
        [InputRequired(NEEDED), EqualTo("password", message=lazy_gettext("This is not the same as above."))],
    )


class PasswordForm(Form):
    """Another password."""

    present = PasswordField(lazy_gettext("Current password"), [InputRequired(NEEDED)])
    chosen = PasswordField(lazy_gettext("New password"), [InputRequired(NEEDED), Length(max=MAX_PASSWORD, message=TOO_LONG)])
    repeated = PasswordField(
        lazy_gettext("Repeat the new password"),
        [InputRequired(NEEDED), EqualTo("chosen", message=lazy_gettext("This is not the same as above."))],
    )


class ProfileForm(Form):
    """The language of the pages, and the time zone of the times on them (empty: UTC)."""

    language = RadioField(lazy_gettext("Language"), [InputRequired(NEEDED)], choices=list(LANGUAGES))
    time_zone = SelectField(lazy_gettext("Time zone"), [Optional()], validate_choice=False)
