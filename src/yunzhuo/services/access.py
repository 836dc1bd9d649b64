"""Who may do what. Denied unless a role says otherwise; what is not yours does not exist for you."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from yunzhuo.phoenix.common.errors import Forbidden


class Role(StrEnum):
    """The roles there are so far."""

    USER = "user"
    ADMINISTRATOR = "administrator"


class Scope(StrEnum):
    """On whose objects a role may use a verb."""

    OWN = "own"
    ORGANIZATION = "organization"


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever asks. ``client_address`` and ``request_id`` go into the audit log.

    ``scopes`` are the only verbs that a token lets its person use, ``desktop:*`` meaning all of an object's; None: all that
    the role has. They narrow rights and never give one.
    """

    user_id: str
    organization_id: str
    email: str
    role: Role
    client_address: str | None = None
    request_id: str | None = None
    scopes: frozenset[str] | None = None


def installation(organization_id: str) -> Actor:
    """Yunzhuo itself, when it is asked on its own command line: nobody, with an administrator's rights."""
    return Actor("", organization_id, "", Role.ADMINISTRATOR)


_OWN_DESKTOP_VERBS = (
    "desktop:create",
    "desktop:read",
    "desktop:update",
    "desktop:start",
    "desktop:stop",
    "desktop:reboot",
    "desktop:suspend",
    "desktop:resume",
    "desktop:rebuild",
    "desktop:resize",
    "desktop:snapshot",
    "desktop:roll_back",
    "desktop:delete_snapshot",
    "desktop:delete",
    "desktop:connect",
    "desktop:clipboard",
    "desktop:files",
)
# To look over somebody's shoulder, or into their things, is a right of its own, which nobody has yet.
_OWNERS_ALONE = ("desktop:connect", "desktop:clipboard", "desktop:files")

_PEOPLE_VERBS = (
    "user:read",
    "user:create",
    "user:disable",
    "user:enable",
    "user:reset_password",
    "user:change_role",
    "user:delete",
)

GRANTS: Mapping[Role, Mapping[str, Scope]] = {
    Role.USER: {
        **dict.fromkeys(_OWN_DESKTOP_VERBS, Scope.OWN),
        "catalog:read": Scope.ORGANIZATION,
        "event:read": Scope.OWN,
    },
    Role.ADMINISTRATOR: {
        **dict.fromkeys(_OWN_DESKTOP_VERBS, Scope.ORGANIZATION),
        **dict.fromkeys(_OWNERS_ALONE, Scope.OWN),
        # It may leave things behind in the cloud, which people cannot clean up.
        "desktop:force_delete": Scope.ORGANIZATION,
        "desktop:hand_over": Scope.ORGANIZATION,
        "catalog:read": Scope.ORGANIZATION,
        "event:read": Scope.ORGANIZATION,
        "host:read": Scope.ORGANIZATION,
        "overview:read": Scope.ORGANIZATION,
        "settings:read": Scope.ORGANIZATION,
        **dict.fromkeys(_PEOPLE_VERBS, Scope.ORGANIZATION),
    },
}


def scope_of(actor: Actor, verb: str) -> Scope | None:
    """How far the actor's right to ``verb`` reaches; None: not at all."""
    if actor.scopes is not None and actor.scopes.isdisjoint((verb, f"{verb.partition(':')[0]}:*")):
        return None
    return GRANTS.get(actor.role, {}).get(verb)


def may(actor: Actor, verb: str, *, organization_id: str, owner_id: str | None = None) -> bool:
    """Whether the actor may ``verb`` an object of this organization and owner."""
    if organization_id != actor.organization_id:
        return False
    match scope_of(actor, verb):
        case Scope.ORGANIZATION:
            return True
        case Scope.OWN:
            return owner_id == actor.user_id
        case _:
            return False


def require(actor: Actor, verb: str) -> Scope:
    """The actor's scope for ``verb``. Raises Forbidden when there is none."""
    scope = scope_of(actor, verb)
    if scope is None:
        raise Forbidden("forbidden", "You are not allowed to do this.", verb=verb)
    return scope
