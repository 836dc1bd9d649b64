"""The forms: which fields there are, and what can be said of them before a service is asked."""

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    EmailField,
    HiddenField,
    IntegerField,
    PasswordField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import EqualTo, InputRequired, Length, NumberRange, Optional

from yunzhuo.services.access import Role
from yunzhuo.services.accounts import LANGUAGES

MAX_EMAIL = 254  # RFC 5321, section 4.5.3.1.3, less the angle brackets
MAX_PASSWORD = 256
MAX_NAME = 64
MAX_CODE = 64


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


_NEEDED = lazy_gettext("Please fill this in.")
_TOO_LONG = lazy_gettext("At most %(max)d characters.")
_DAYS = lazy_gettext("From %(min)d to %(max)d days.")


class SignInForm(Form):
    """Address and password."""

    email = EmailField(lazy_gettext("E-mail address"), [InputRequired(_NEEDED), Length(max=MAX_EMAIL, message=_TOO_LONG)])
    password = PasswordField(lazy_gettext("Password"), [InputRequired(_NEEDED)])
    remember = BooleanField(lazy_gettext("Stay signed in on this computer"))


class FactorForm(Form):
    """A code beside the password."""

    code = StringField(lazy_gettext("Code"), [InputRequired(_NEEDED), Length(max=MAX_CODE, message=_TOO_LONG)])


class PasskeyForm(Form):
    """What an authenticator signed; a script fills it in."""

    credential = HiddenField(validators=[InputRequired()])


class NewPasskeyForm(PasskeyForm):
    """A passkey that an authenticator has made, and what it is called."""

    name = StringField(lazy_gettext("Name"), [InputRequired(_NEEDED), Length(max=MAX_NAME, message=_TOO_LONG)])


class AddressForm(Form):
    """An address alone: to register with, to be written to, to have from now on."""

    email = EmailField(lazy_gettext("E-mail address"), [InputRequired(_NEEDED), Length(max=MAX_EMAIL, message=_TOO_LONG)])


class PasswordAgainForm(Form):
    """The present password."""

    password = PasswordField(lazy_gettext("Current password"), [InputRequired(_NEEDED)])


class ChosenPasswordForm(Form):
    """A password for an account, chosen by whoever has a link."""

    password = PasswordField(
        lazy_gettext("New password"), [InputRequired(_NEEDED), Length(max=MAX_PASSWORD, message=_TOO_LONG)]
    )
    repeated = PasswordField(
        lazy_gettext("Repeat the new password"),
        [InputRequired(_NEEDED), EqualTo("password", message=lazy_gettext("This is not the same as above."))],
    )


class TokenForm(Form):
    """A token: what it is called, what it may do (nothing chosen: all), how many days it counts."""

    name = StringField(lazy_gettext("Name"), [InputRequired(_NEEDED), Length(max=MAX_NAME, message=_TOO_LONG)])
    reach = RadioField(lazy_gettext("It may"), [InputRequired(_NEEDED)], choices=["all", "read", "verbs"])
    verbs = SelectMultipleField(lazy_gettext("Only this"), [Optional()], validate_choice=False)
    days = IntegerField(lazy_gettext("Days until it ends"), [InputRequired(_NEEDED), NumberRange(1, 366, _DAYS)])


class InviteForm(Form):
    """Who may make an account, and with which role."""

    email = EmailField(lazy_gettext("E-mail address"), [InputRequired(_NEEDED), Length(max=MAX_EMAIL, message=_TOO_LONG)])
    role = RadioField(lazy_gettext("Role"), [InputRequired(_NEEDED)], choices=list(Role))


class RegisterForm(Form):
    """A new account."""

    email = EmailField(lazy_gettext("E-mail address"), [InputRequired(_NEEDED), Length(max=MAX_EMAIL, message=_TOO_LONG)])
    password = PasswordField(lazy_gettext("Password"), [InputRequired(_NEEDED), Length(max=MAX_PASSWORD, message=_TOO_LONG)])


class PasswordForm(Form):
    """Another password."""

    present = PasswordField(lazy_gettext("Current password"), [InputRequired(_NEEDED)])
    chosen = PasswordField(lazy_gettext("New password"), [InputRequired(_NEEDED), Length(max=MAX_PASSWORD, message=_TOO_LONG)])
    repeated = PasswordField(
        lazy_gettext("Repeat the new password"),
        [InputRequired(_NEEDED), EqualTo("chosen", message=lazy_gettext("This is not the same as above."))],
    )


class ProfileForm(Form):
    """The language of the pages, and the time zone of the times on them (empty: UTC)."""

    language = RadioField(lazy_gettext("Language"), [InputRequired(_NEEDED)], choices=list(LANGUAGES))
    time_zone = SelectField(lazy_gettext("Time zone"), [Optional()], validate_choice=False)


class NewUserForm(Form):
    """An account that an administrator makes. Without a password a one-time one is made."""

    email = EmailField(lazy_gettext("E-mail address"), [InputRequired(_NEEDED), Length(max=MAX_EMAIL, message=_TOO_LONG)])
    role = RadioField(lazy_gettext("Role"), [InputRequired(_NEEDED)], choices=list(Role))
    password = PasswordField(lazy_gettext("Password"), [Optional(), Length(max=MAX_PASSWORD, message=_TOO_LONG)])


class RoleForm(Form):
    """A person's role."""

    role = RadioField(lazy_gettext("Role"), [InputRequired(_NEEDED)], choices=list(Role))


class DeleteUserForm(Form):
    """What happens to the desktops of an account that is deleted, and who gets them."""

    desktops = RadioField(lazy_gettext("Desktops"), [Optional()], choices=["delete", "hand_over"], validate_choice=False)
    to = EmailField(lazy_gettext("E-mail address of the new owner"), [Length(max=MAX_EMAIL, message=_TOO_LONG)])
    personal_disk = BooleanField(lazy_gettext("Delete the personal disk, too"))


class DiskForm(Form):
    """Whether programs that have files open on the personal disk are ended."""

    force = HiddenField()


class NewDesktopForm(Form):
    """What a new desktop is made from. The choices are the catalog's."""

    image = RadioField(lazy_gettext("Image"), [InputRequired(lazy_gettext("Choose an image."))], validate_choice=False)
    flavor = RadioField(lazy_gettext("Size"), [InputRequired(lazy_gettext("Choose a size."))], validate_choice=False)
    name = StringField(lazy_gettext("Name"), [Optional(), Length(max=MAX_NAME, message=_TOO_LONG)])
    # A form that is sent twice makes one desktop.
    idempotency_key = HiddenField()


class NameForm(Form):
    """A desktop's name."""

    name = StringField(lazy_gettext("Name"), [InputRequired(_NEEDED), Length(max=MAX_NAME, message=_TOO_LONG)])


class SizeForm(Form):
    """Another size. The choices are those that fit the desktop."""

    flavor = RadioField(lazy_gettext("Size"), [InputRequired(lazy_gettext("Choose a size."))], validate_choice=False)


class ActionForm(Form):
    """A change to a desktop, and where to go afterwards."""

    action = HiddenField(validators=[InputRequired()])
    back = HiddenField()


class PoolForm(Form):
    """What a pool is to be. What can be chosen is filled in by the page; what is right the service says."""

    name = StringField(lazy_gettext("Name"), [InputRequired(_NEEDED), Length(max=MAX_NAME, message=_TOO_LONG)])
    kind = SelectField(lazy_gettext("Kind"), validate_choice=False)
    image = SelectField(lazy_gettext("Image"), validate_choice=False)
    flavor = SelectField(lazy_gettext("Size"), validate_choice=False)
    capacity = IntegerField(lazy_gettext("Desktops at most"), [InputRequired(_NEEDED)])
    spares = IntegerField(lazy_gettext("Standing ready"), [Optional()])
    hours = TextAreaField(lazy_gettext("More at certain hours"), [Optional()])
    time_zone = StringField(lazy_gettext("Time zone"), [Optional(), Length(max=MAX_NAME, message=_TOO_LONG)])
    release_after_minutes = IntegerField(lazy_gettext("Given back when unused for (minutes)"), [Optional()])


class ScheduleForm(Form):
    """What is done to which desktops at which times. What can be chosen is filled in by the page."""

    name = StringField(lazy_gettext("Name"), [InputRequired(_NEEDED), Length(max=MAX_NAME, message=_TOO_LONG)])
    action = SelectField(lazy_gettext("What is done"), validate_choice=False)
    subject = SelectField(lazy_gettext("To the desktops of"), validate_choice=False)
    rule = StringField(lazy_gettext("When"), [InputRequired(_NEEDED), Length(max=100, message=_TOO_LONG)])
    time_zone = StringField(lazy_gettext("Time zone"), [Optional(), Length(max=MAX_NAME, message=_TOO_LONG)])
    leaves_connected = BooleanField(lazy_gettext("Leave alone whoever is connected"))
    catch_up_minutes = IntegerField(lazy_gettext("Done late, up to (minutes)"), [InputRequired(_NEEDED)])
