"""What each route of the matrix is sent: paths with ids in them, queries and bodies that are right."""

import io
from collections.abc import Callable, Mapping
from typing import Any

from tests.access.cloud_methods import GONE, HOST
from tests.access.methods import GRANTS, NEW
from tests.access.world import Target, World
from tests.support.installation import PASSWORD
from yunzhuo.services.access import Role

Content = Callable[[World, Target], dict[str, Any]]


def address(path: str, world: World, target: Target) -> str:
    """The path with what it is about."""
    ids = {
        "<desktop_id>": target.desktop,
        "<user_id>": world.bystander if "/members/" in path else target.user,
        "<group_id>": target.group,
        "<pool_id>": target.pool,
        "<schedule_id>": target.schedule,
        "<subject_id>": target.pool,
        "<role_id>": target.role,
        "<holder_id>": world.bystander,
        "<organization_id>": target.organization,
        "<gateway_id>": world.gateway,
        "<segment_id>": world.segment,
        "<screen_id>": target.screen,
        "<operation_id>": target.operation,
        "<snapshot_id>": target.snapshot,
        "<session_id>": target.session,
        "<token_id>": target.token,
        "<invitation_id>": target.invitation,
        "<passkey_id>": target.user,
        "<host_id>": HOST,
        **{f"<{what}_id>": GONE for what in ("network", "subnet", "router", "rule", "image", "project")},
        "<name>": "x",
        "<question>": "rebuild",
        "<any('roll-back', 'delete'):verb>": "roll-back",
        "<any('restore', 'delete'):verb>": "restore",
        "<any(cancel, retry, undo):verb>": "cancel",
        "<any(pause, shelve, lock, unlock, rescue, unrescue):name>": "unlock",
    }
    for name, value in ids.items():
        path = path.replace(name, value)
    return path


def _wish(world: World, _target: Target) -> dict[str, Any]:
    catalog, somebody = world.yunzhuo.services.catalog, world.actors[Role.USER]
    return {"json": {"image": catalog.images(somebody)[0].id, "flavor": catalog.flavors(somebody)[0].id}}


def _json(**body: object) -> Content:
    return lambda world, target: {"json": body}


CONTENT: Mapping[str, Content] = {
    "PUT /api/v1/delegations/<user_id>": _json(verbs=["desktop:start"], until="2026-03-09T08:00:00Z"),
    "POST /api/v1/desktops": _wish,
    "PATCH /api/v1/desktops/<desktop_id>": _json(name="Renamed"),
    "POST /api/v1/desktops/<desktop_id>/actions": _json(action="stop"),
    "PUT /api/v1/desktops/<desktop_id>/clipboard": _json(text="text"),
    "POST /api/v1/desktops/<desktop_id>/connections": _json(protocol="vnc"),
    "PUT /api/v1/desktops/<desktop_id>/files/<name>": lambda world, target: {"data": b"x"},
    "POST /api/v1/desktops/<desktop_id>/snapshots": _json(name="second"),
    "POST /api/v1/desktops/actions": lambda world, target: {"json": {"ids": [target.desktop], "action": "stop"}},
    "POST /api/v1/desktops/bulk": lambda world, target: {"json": {**_wish(world, target)["json"], "desktops": [{}]}},
    "POST /api/v1/operations/actions": lambda world, target: {"json": {"ids": [target.operation], "action": "cancel"}},
    "POST /api/v1/desktops/<desktop_id>/care": _json(deed="unlock"),
    "PUT /api/v1/desktops/<desktop_id>/security-groups": _json(ids=[]),
    "POST /api/v1/hosts/<host_id>": _json(change="disable", reason="new memory"),
    "POST /api/v1/hosts/<host_id>/moves": _json(how="live"),
    "POST /api/v1/networks": _json(name="new", subnet={"cidr": "10.77.0.0/24"}),
    "POST /api/v1/networks/<network_id>/subnets": _json(cidr="10.77.0.0/24"),
    "POST /api/v1/routers": _json(name="new"),
    "PUT /api/v1/routers/<router_id>/gateway": _json(external_network_id=None),
    "POST /api/v1/security-groups": _json(name="new", template="closed"),
    "POST /api/v1/security-groups/<group_id>/rules": _json(direction="in"),
    "POST /api/v1/stored-images": _json(name="new"),
    "PATCH /api/v1/stored-images/<image_id>": _json(name="other"),
    "POST /api/v1/personal-disk": _json(),
    "POST /api/v1/personal-disk/connect": lambda world, target: {"json": {"desktop": target.desktop}},
    "POST /api/v1/personal-disk/disconnect": _json(),
    "POST /api/v1/personal-disk/snapshots": _json(name="first"),
    "POST /api/v1/groups": _json(name="new"),
    "PATCH /api/v1/groups/<group_id>": _json(name="new"),
    "PUT /api/v1/groups/<group_id>/members/<user_id>": _json(is_owner=False),
    "POST /api/v1/configuration/plan": _json(document={}),
    "POST /api/v1/configuration/apply": lambda world, target: {
        "json": {
            "document": {},
            "fingerprint": world.yunzhuo.services.configuration.plan(world.actors[Role.OPERATOR], {}).fingerprint,
        }
    },
    "POST /api/v1/pools": lambda world, target: {"json": {**_wish(world, target)["json"], "name": "new", "capacity": 3}},
    "PATCH /api/v1/pools/<pool_id>": _json(capacity=9),
    "POST /api/v1/pools/<pool_id>/rollout": lambda world, target: {"json": {"image": _wish(world, target)["json"]["image"]}},
    "POST /api/v1/pools/<pool_id>/rollout/advance": _json(from_stage=0),
    "POST /api/v1/schedules": lambda world, target: {
        "json": {"name": "new", "rule": "0 7 * * *", "action": "start", "subject": {"kind": "pool", "id": target.pool}}
    },
    "PATCH /api/v1/schedules/<schedule_id>": _json(rule="0 23 * * *"),
    "PUT /api/v1/idle-rules/<subject_id>": _json(disconnected_minutes=30),
    "PUT /api/v1/leases/<subject_id>": _json(days=30),
    "GET /api/v1/leases/calendar": lambda world, target: {
        "query_string": {"since": "2026-03-02T08:00:00Z", "until": "2026-03-09T08:00:00Z"}
    },
    "PUT /api/v1/desktops/<desktop_id>/end": _json(ends_at="2026-05-09T08:00:00Z"),
    "POST /api/v1/organizations": _json(name="new"),
    "POST /api/v1/gateways": _json(name="new", public_url="wss://new.test"),
    "PATCH /api/v1/gateways/<gateway_id>": _json(state="draining"),
    "POST /api/v1/license/activation": _json(),
    "POST /api/v1/segments": _json(name="new", network="10.9.0.0/16"),
    "PATCH /api/v1/organizations/<organization_id>": _json(name="new"),
    "POST /api/v1/invitations": _json(email=NEW, role="user"),
    "POST /api/v1/service-accounts": _json(email=NEW, role="user"),
    "POST /api/v1/users/<user_id>/tokens": _json(name="new"),
    "POST /api/v1/users/me/address": _json(password=PASSWORD, email=NEW),
    "POST /api/v1/users/me/factors/recovery-codes": _json(password=PASSWORD),
    "POST /api/v1/users/me/factors/totp": _json(password=PASSWORD),
    "POST /api/v1/users/me/factors/totp/confirmation": _json(password=PASSWORD, code="000000"),
    "POST /api/v1/users/me/factors/totp/removal": _json(password=PASSWORD),
    "POST /api/v1/users/me/passkeys": _json(password=PASSWORD, name="Mine", credential={}),
    "POST /api/v1/users/me/passkeys/<passkey_id>/removal": _json(password=PASSWORD),
    "POST /api/v1/users/me/passkeys/options": _json(password=PASSWORD),
    "POST /api/v1/users/me/password": _json(present=PASSWORD, chosen="another horse battery"),
    "PUT /api/v1/policies": lambda world, target: {
        "json": {"subject": "user", "subject_id": target.user, "says": {"usb": False}}
    },
    "PUT /api/v1/quotas": lambda world, target: {
        "json": {"subject": "user", "subject_id": target.user, "resource": "desktops", "most": 3}
    },
    "POST /api/v1/roles": _json(name="new", grants=GRANTS),
    "PUT /api/v1/roles/<role_id>": _json(grants=GRANTS),
    "POST /api/v1/user-actions": lambda world, target: {"json": {"ids": [target.user], "change": "disable"}},
    "POST /api/v1/user-lists": lambda world, target: {"data": f"email\n{NEW}\n".encode()},
    "POST /api/v1/users": _json(email=NEW, role="user", password=PASSWORD),
    "PATCH /api/v1/users/<user_id>": _json(disabled=True),
    "DELETE /api/v1/users/<user_id>": lambda world, target: {"query_string": {"desktops": "delete"}},
    "PATCH /api/v1/users/me": _json(language="zh_CN"),
}


def _form(**fields: object) -> Content:
    return lambda world, target: {"data": fields}


def _list(_world: World, _target: Target) -> dict[str, Any]:
    return {"data": {"file": (io.BytesIO(f"email\n{NEW}\n".encode()), "list.csv")}}


# What forms of pages carry beside their token.
FORMS: Mapping[str, Content] = {
    "POST /admin/desktops/actions": lambda world, target: {
        "data": {"id": target.desktop, "action": "stop", "confirmed": "yes"}
    },
    "POST /admin/operations/actions": lambda world, target: {
        "data": {"id": target.operation, "action": "cancel", "confirmed": "yes"}
    },
    "POST /personal-files/snapshots": _form(name="first"),
    "POST /admin/groups": _form(name="new"),
    "POST /admin/groups/<group_id>": _form(change="rename", name="new"),
    "POST /admin/pools": lambda world, target: {"data": {**_wish(world, target)["json"], "name": "new", "capacity": "3"}},
    "POST /admin/pools/<pool_id>": _form(change="put", holder="bystander@school.local"),
    "POST /admin/pools/<pool_id>/rollout": _form(change="pause"),
    "POST /admin/schedules": lambda world, target: {
        "data": {
            "name": "new",
            "rule": "0 7 * * *",
            "action": "start",
            "subject": f"pool:{target.pool}",
            "catch_up_minutes": "60",
        }
    },
    "POST /admin/schedules/<schedule_id>": _form(change="pause"),
    "POST /bin/<desktop_id>": _form(change="undelete"),
    "POST /desktops/<desktop_id>/lease": _form(change="extend"),
    "POST /admin/idle": lambda world, target: {"data": {"change": "drop", "subject": target.pool}},
    "POST /admin/leases": lambda world, target: {"data": {"change": "drop", "subject": target.pool}},
    "POST /admin/organizations": _form(name="new"),
    "POST /admin/gateways": _form(name="new", public_url="wss://new.test"),
    "POST /admin/hosts/<host_id>": lambda world, target: {"data": {"change": "disable", "reason": "new memory"}},
    "POST /admin/images/<image_id>": lambda world, target: {"data": {"change": "deactivate"}},
    "POST /admin/gateways/<gateway_id>": _form(change="drain"),
    "POST /admin/segments": _form(name="new", network="10.9.0.0/16"),
    "POST /admin/organizations/<organization_id>": _form(change="rename", name="new"),
    "POST /admin/policies": lambda world, target: {"data": {"for": f"user:{target.user}", "usb": "false"}},
    "POST /admin/quotas": lambda world, target: {
        "data": {"for": "user", "id": target.user, "resource": "desktops", "most": "3"}
    },
    "POST /admin/roles": _form(**{"name": "new", "desktop:read": "organization"}),
    "POST /admin/roles/<role_id>": _form(change="grant", holder="bystander@school.local"),
    "POST /admin/users/<user_id>/delete": _form(desktops="delete"),
    "POST /admin/users/<user_id>/disabled": _form(disabled="yes"),
    "POST /admin/users/<user_id>/role": _form(role="teacher"),
    "POST /admin/users/actions": lambda world, target: {
        "data": {"ids": world.bystander, "change": "disable", "confirmed": "yes"}
    },
    "POST /admin/users/import": _list,
    "POST /admin/invitations": _form(email=NEW, role="user"),
    "POST /admin/users/new-service": _form(email=NEW, role="user"),
    "POST /admin/users/<user_id>/tokens": _form(name="new", reach="all", days="9"),
    "POST /security/address": _form(email=NEW),
    "POST /security/passkeys": _form(name="Mine", credential="{}"),
    "POST /security/password": _form(password=PASSWORD),
    "POST /security/tokens": _form(name="new", reach="all", days="9"),
    "POST /security/totp": _form(code="000000"),
    "POST /admin/users/new": _form(email=NEW, role="user", password=PASSWORD),
    "POST /desktops": lambda world, target: {"data": _wish(world, target)["json"]},
    "POST /desktops/<desktop_id>/actions": _form(action="stop"),
    "PUT /desktops/<desktop_id>/clipboard": _json(text="text"),
    "POST /desktops/<desktop_id>/connections": _json(protocol="vnc"),
    "PUT /desktops/<desktop_id>/files/<name>": lambda world, target: {"data": b"x"},
    "POST /desktops/<desktop_id>/name": _form(name="Renamed"),
    "POST /desktops/<desktop_id>/size": lambda world, target: {
        "data": {"flavor": world.yunzhuo.services.catalog.flavors(world.actors[Role.USER])[1].id}
    },
    "POST /desktops/<desktop_id>/snapshots": _form(name="second"),
    "POST /sharing": lambda world, target: {"data": {"change": "take back", "user": target.user}},
    "POST /password": _form(present=PASSWORD, chosen="another horse battery", repeated="another horse battery"),
    "POST /profile": _form(language="en"),
}
