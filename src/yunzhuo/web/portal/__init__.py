"""The pages: server-rendered, whole without a script, live with one. Routes are thin; what they do is the services'."""

from yunzhuo.web.portal import (
    accounts,
    administration,
    all_desktops,
    audit,
    consoles,
    delegations,
    desktops,
    groups,
    guests,
    life,
    operations,
    organizations,
    people,
    people_lists,
    personal_disks,
    profile,
    quotas,
)
from yunzhuo.web.portal.pages import blueprint

__all__ = [
    "accounts",
    "administration",
    "all_desktops",
    "audit",
    "blueprint",
    "consoles",
    "delegations",
    "desktops",
    "groups",
    "guests",
    "life",
    "operations",
    "organizations",
    "people",
    "people_lists",
    "personal_disks",
    "profile",
    "quotas",
]
