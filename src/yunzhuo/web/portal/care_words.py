"""What is done to a desktop's virtual machine beside its owner's day, in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from yunzhuo.services.care import CareDeed


@dataclass(frozen=True, slots=True)
class DeedWords:
    """Its button, what it does, the question before it, and what is said when the cloud has accepted it."""

    button: LazyString
    text: LazyString
    heading: LazyString
    accepted: LazyString


DEEDS: Mapping[CareDeed, DeedWords] = {
    CareDeed.PAUSE: DeedWords(
        lazy_gettext("Pause"),
        lazy_gettext("Everything in it stands still for as long as its host runs. Its person resumes it."),
        lazy_gettext("Pause “%(name)s”?"),
        lazy_gettext("It is being paused."),
    ),
    CareDeed.SHELVE: DeedWords(
        lazy_gettext("Shelve"),
        lazy_gettext(
            "It is switched off and leaves its host; what is not saved is lost. Its person starts it, which takes longer."
        ),
        lazy_gettext("Shelve “%(name)s”?"),
        lazy_gettext("It is being shelved."),
    ),
    CareDeed.RESCUE: DeedWords(
        lazy_gettext("Rescue"),
        lazy_gettext(
            "Another system starts in it and sees its disk as a second one, to mend it. What is open in its own system is lost."
        ),
        lazy_gettext("Rescue “%(name)s”?"),
        lazy_gettext("Another system is being started in it."),
    ),
    CareDeed.UNRESCUE: DeedWords(
        lazy_gettext("End the rescue"),
        lazy_gettext("Its own system starts again, from its own disk."),
        lazy_gettext("End the rescue of “%(name)s”?"),
        lazy_gettext("Its own system is being started."),
    ),
    CareDeed.LOCK: DeedWords(
        lazy_gettext("Lock"),
        lazy_gettext("Nobody changes it, here or in the cloud, until it is unlocked. Whoever works at it goes on."),
        lazy_gettext("Lock “%(name)s”?"),
        lazy_gettext("It is locked."),
    ),
    CareDeed.UNLOCK: DeedWords(
        lazy_gettext("Unlock"),
        lazy_gettext("Whoever may change it can do so again."),
        lazy_gettext("Unlock “%(name)s”?"),
        lazy_gettext("It is unlocked."),
    ),
}
