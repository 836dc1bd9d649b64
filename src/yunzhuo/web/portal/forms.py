"""The forms: which fields there are, and what can be said of them before a service is asked."""

from flask_babel import lazy_gettext
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
from wtforms.validators import InputRequired, Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput

from yunzhuo.services.access import Role
from yunzhuo.webkit.forms import MAX_EMAIL, MAX_NAME, MAX_PASSWORD, NEEDED, TOO_LONG, Form

_DAYS = lazy_gettext("From %(min)d to %(max)d days.")


class TokenForm(Form):
    """A token: what it is called, what it may do (nothing chosen: all), how many days it counts."""

    name = StringField(lazy_gettext("Name"), [InputRequired(NEEDED), Length(max=MAX_NAME, message=TOO_LONG)])
    reach = RadioField(lazy_gettext("It may"), [InputRequired(NEEDED)], choices=["all", "read", "verbs"])
    verbs = SelectMultipleField(lazy_gettext("Only this"), [Optional()], validate_choice=False)
    days = IntegerField(lazy_gettext("Days until it ends"), [InputRequired(NEEDED), NumberRange(1, 366, _DAYS)])


class InviteForm(Form):
    """Who may make an account, and with which role."""

    email = EmailField(lazy_gettext("E-mail address"), [InputRequired(NEEDED), Length(max=MAX_EMAIL, message=TOO_LONG)])
    role = RadioField(lazy_gettext("Role"), [InputRequired(NEEDED)], choices=list(Role))


class RegisterForm(Form):
    """A new account."""

    email = EmailField(lazy_gettext("E-mail address"), [InputRequired(NEEDED), Length(max=MAX_EMAIL, message=TOO_LONG)])
    password = PasswordField(lazy_gettext("Password"), [InputRequired(NEEDED), Length(max=MAX_PASSWORD, message=TOO_LONG)])


class NewUserForm(Form):
    """An account that an administrator makes. Without a password a one-time one is made."""

    email = EmailField(lazy_gettext("E-mail address"), [InputRequired(NEEDED), Length(max=MAX_EMAIL, message=TOO_LONG)])
    role = RadioField(lazy_gettext("Role"), [InputRequired(NEEDED)], choices=list(Role))
    password = PasswordField(lazy_gettext("Password"), [Optional(), Length(max=MAX_PASSWORD, message=TOO_LONG)])


class RoleForm(Form):
    """A person's role."""

    role = RadioField(lazy_gettext("Role"), [InputRequired(NEEDED)], choices=list(Role))


class DeleteUserForm(Form):
    """What happens to the desktops of an account that is deleted, and who gets them."""

    desktops = RadioField(lazy_gettext("Desktops"), [Optional()], choices=["delete", "hand_over"], validate_choice=False)
    to = EmailField(lazy_gettext("E-mail address of the new owner"), [Length(max=MAX_EMAIL, message=TOO_LONG)])
    personal_disk = BooleanField(lazy_gettext("Delete the personal disk, too"))


class DiskForm(Form):
    """Whether programs that have files open on the personal disk are ended."""

    force = HiddenField()


class NewDesktopForm(Form):
    """What a new desktop is made from. The choices are the catalog's."""

    image = RadioField(lazy_gettext("Image"), [InputRequired(lazy_gettext("Choose an image."))], validate_choice=False)
    flavor = RadioField(lazy_gettext("Size"), [InputRequired(lazy_gettext("Choose a size."))], validate_choice=False)
    name = StringField(lazy_gettext("Name"), [Optional(), Length(max=MAX_NAME, message=TOO_LONG)])
    # A form that is sent twice makes one desktop.
    idempotency_key = HiddenField()


class NameForm(Form):
    """A desktop's name."""

    name = StringField(lazy_gettext("Name"), [InputRequired(NEEDED), Length(max=MAX_NAME, message=TOO_LONG)])


class SizeForm(Form):
    """Another size. The choices are those that fit the desktop."""

    flavor = RadioField(lazy_gettext("Size"), [InputRequired(lazy_gettext("Choose a size."))], validate_choice=False)


class ActionForm(Form):
    """A change to a desktop, and where to go afterwards."""

    action = HiddenField(validators=[InputRequired()])
    back = HiddenField()


class PoolForm(Form):
    """What a pool is to be. What can be chosen is filled in by the page; what is right the service says."""

    name = StringField(lazy_gettext("Name"), [InputRequired(NEEDED), Length(max=MAX_NAME, message=TOO_LONG)])
    kind = SelectField(lazy_gettext("Kind"), validate_choice=False)
    image = SelectField(lazy_gettext("Image"), validate_choice=False)
    flavor = SelectField(lazy_gettext("Size"), validate_choice=False)
    capacity = IntegerField(lazy_gettext("Desktops at most"), [InputRequired(NEEDED)])
    spares = IntegerField(lazy_gettext("Standing ready"), [Optional()])
    hours = TextAreaField(lazy_gettext("More at certain hours"), [Optional()])
    time_zone = StringField(lazy_gettext("Time zone"), [Optional(), Length(max=MAX_NAME, message=TOO_LONG)])
    release_after_minutes = IntegerField(lazy_gettext("Given back when unused for (minutes)"), [Optional()])
    goal_seconds = IntegerField(lazy_gettext("At the desktop within (seconds)"), [Optional()])
    network = SelectField(lazy_gettext("Network"), [Optional()], validate_choice=False)
    security_groups = SelectMultipleField(
        lazy_gettext("Security groups"), [Optional()], validate_choice=False, option_widget=CheckboxInput()
    )


class RolloutForm(Form):
    """Another image for a pool, and how fast it comes."""

    image = SelectField(lazy_gettext("New image"), validate_choice=False)
    stages = StringField(lazy_gettext("Stages (percent)"), [InputRequired(NEEDED), Length(max=MAX_NAME, message=TOO_LONG)])
    at_once_percent = IntegerField(lazy_gettext("Changed at once (percent)"), [InputRequired(NEEDED)])
    most_failures = IntegerField(lazy_gettext("Stops after failures"), [InputRequired(NEEDED)])
    notice_hours = IntegerField(lazy_gettext("People are told before (hours)"), [InputRequired(NEEDED)])


class ScheduleForm(Form):
    """What is done to which desktops at which times. What can be chosen is filled in by the page."""

    name = StringField(lazy_gettext("Name"), [InputRequired(NEEDED), Length(max=MAX_NAME, message=TOO_LONG)])
    action = SelectField(lazy_gettext("What is done"), validate_choice=False)
    subject = SelectField(lazy_gettext("To the desktops of"), validate_choice=False)
    rule = StringField(lazy_gettext("When"), [InputRequired(NEEDED), Length(max=100, message=TOO_LONG)])
    time_zone = StringField(lazy_gettext("Time zone"), [Optional(), Length(max=MAX_NAME, message=TOO_LONG)])
    leaves_connected = BooleanField(lazy_gettext("Leave alone whoever is connected"))
    catch_up_minutes = IntegerField(lazy_gettext("Done late, up to (minutes)"), [InputRequired(NEEDED)])
