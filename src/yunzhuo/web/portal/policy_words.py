"""What the parts of a screen policy are called."""

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from yunzhuo.services.policies import VIEW_ONLY, Bound, Permission, Policy, PolicySubject

SUBJECTS: Mapping[PolicySubject, LazyString] = {
    PolicySubject.ORGANIZATION: lazy_gettext("organization"),
    PolicySubject.GROUP: lazy_gettext("group"),
    PolicySubject.POOL: lazy_gettext("pool"),
    PolicySubject.USER: lazy_gettext("person"),
    PolicySubject.DESKTOP: lazy_gettext("desktop"),
}

#: Each part that is true or false: what it is called, and what true and false say.
FLAGS: Mapping[str, tuple[LazyString, LazyString, LazyString]] = {
    VIEW_ONLY: (lazy_gettext("Keys and mouse"), lazy_gettext("Forbidden"), lazy_gettext("Allowed")),
    Permission.CLIPBOARD_TO_DESKTOP: (
        lazy_gettext("Clipboard into the desktop"),
        lazy_gettext("Allowed"),
        lazy_gettext("Forbidden"),
    ),
    Permission.CLIPBOARD_FROM_DESKTOP: (
        lazy_gettext("Clipboard out of the desktop"),
        lazy_gettext("Allowed"),
        lazy_gettext("Forbidden"),
    ),
    Permission.FILE_TRANSFER: (lazy_gettext("Files"), lazy_gettext("Allowed"), lazy_gettext("Forbidden")),
    Permission.USB: (lazy_gettext("USB devices"), lazy_gettext("Allowed"), lazy_gettext("Forbidden")),
}

BOUNDS: Mapping[str, LazyString] = {
    Bound.SESSION_SECONDS: lazy_gettext("Time of a session, seconds"),
    Bound.KIB_PER_SECOND: lazy_gettext("Bandwidth, KiB/s"),
}


def told(says: Policy) -> list[str]:
    """What a policy says, a line for each part, in the order of the form."""
    lines = [f"{name}: {yes if says[part] else no}" for part, (name, yes, no) in FLAGS.items() if part in says]
    return lines + [f"{name}: {says[part]}" for part, name in BOUNDS.items() if part in says]


def subject_name(subject: PolicySubject) -> str:
    """Whose screens a policy is about."""
    return str(SUBJECTS[subject])
