"""REST API v1: one blueprint a noun, thin routes over services. Only bearer tokens count here, never cookies."""

from apiflask import APIBlueprint

from yunzhuo.web.api import (
    account,
    audit,
    desktops,
    entrance,
    events,
    flavors,
    gateways,
    groups,
    guests,
    images,
    leases,
    license,
    operations,
    organizations,
    overview,
    people_lists,
    personal_disks,
    pools,
    quotas,
    roles,
    schedules,
    screens,
    snapshots,
    tokens,
    user_security,
    users,
)
from yunzhuo.web.api.paths import PREFIX

BLUEPRINTS: tuple[APIBlueprint, ...] = (
    tokens.blueprint,
    users.blueprint,
    account.blueprint,
    entrance.blueprint,
    user_security.blueprint,
    images.blueprint,
    flavors.blueprint,
    desktops.blueprint,
    guests.blueprint,
    operations.blueprint,
    snapshots.blueprint,
    personal_disks.blueprint,
    events.blueprint,
    overview.blueprint,
    groups.blueprint,
    roles.blueprint,
    organizations.blueprint,
    people_lists.blueprint,
    quotas.blueprint,
    audit.blueprint,
    gateways.blueprint,
    screens.blueprint,
    pools.blueprint,
    schedules.blueprint,
    leases.blueprint,
    license.blueprint,
)

__all__ = ["BLUEPRINTS", "PREFIX"]
