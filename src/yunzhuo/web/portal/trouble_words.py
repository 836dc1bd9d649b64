"""What error pages say."""

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

# By status: a heading, and what to make of it.
TROUBLES: Mapping[int, tuple[LazyString, LazyString]] = {
    400: (
        lazy_gettext("This request cannot be read"),
        lazy_gettext("The page may have been open for too long. Reload it and try again."),
    ),
    403: (
        lazy_gettext("Not allowed"),
        lazy_gettext("Your account may not do this. Ask your administrator if it should."),
    ),
    404: (
        lazy_gettext("There is nothing here"),
        lazy_gettext("The address is wrong, or what was here is gone, or is not yours."),
    ),
    413: (
        lazy_gettext("That was too much at once"),
        lazy_gettext("What was sent is larger than what is taken here."),
    ),
    429: (
        lazy_gettext("Too many attempts"),
        lazy_gettext("Wait a few minutes, then try again."),
    ),
    500: (
        lazy_gettext("Something went wrong here"),
        lazy_gettext("It is not your fault. Try again; if it keeps happening, give your administrator the request ID below."),
    ),
    503: (
        lazy_gettext("Just a moment"),
        lazy_gettext("Part of Yunzhuo does not answer right now. Try again in a few seconds."),
    ),
}
OTHER_TROUBLE = (lazy_gettext("This did not work"), lazy_gettext("Go back and try again."))
