"""The pages: server-rendered, whole without a script, live with one. Routes are thin; what they do is the services'."""

from yunzhuo.web.portal import (
    accounts,
    administration,
    all_desktops,
    consoles,
    desktops,
    entrance,
    guests,
    life,
    operations,
    people,
    people_security,
    personal_disks,
    profile,
    security,
)
from yunzhuo.web.portal.pages import blueprint
from yunzhuo.web.portal.security import ENROLL_ENDPOINTS

__all__ = [
    "ENROLL_ENDPOINTS",
    "accounts",
    "administration",
    "all_desktops",
    "blueprint",
    "consoles",
    "desktops",
    "entrance",
    "guests",
    "life",
    "operations",
    "people",
    "people_security",
    "personal_disks",
    "profile",
    "security",
]
