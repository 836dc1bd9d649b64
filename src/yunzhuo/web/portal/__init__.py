"""The pages: server-rendered, whole without a script, live with one. Routes are thin; what they do is the services'."""

from yunzhuo.web.portal import (
    accounts,
    administration,
    all_desktops,
    consoles,
    desktops,
    guests,
    life,
    operations,
    people,
    personal_disks,
    profile,
)
from yunzhuo.web.portal.pages import blueprint

__all__ = [
    "accounts",
    "administration",
    "all_desktops",
    "blueprint",
    "consoles",
    "desktops",
    "guests",
    "life",
    "operations",
    "people",
    "personal_disks",
    "profile",
]
