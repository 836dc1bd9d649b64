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

    ``scopes`` are the only verbs that the token they came with lets them use, ``desktop:*`` meaning all of an object's and
    :data:`READ_ONLY` all that only look; None: all that the role has. They narrow rights and never give one.
    """

    user_id: str
    organization_id: str
    email: str
    role: Role
    client_address: str | None = None
    request_id: str | None = None
    scopes: frozenset[str] | None = None


READ_ONLY = "*:read"


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
    "desktop:connect_disk",
    "desktop:disconnect_disk",
    "desktop:restore_disk",
    "desktop:delete",
    "desktop:connect",
    "desktop:clipboard",
    "desktop:files",
)
_OWN_DISK_VERBS = (
    "personal_disk:read",
    "personal_disk:create",
    "personal_disk:snapshot",
    "personal_disk:restore",
    "personal_disk:delete_snapshot",
    "personal_disk:delete",
)
# To look over somebody's shoulder, or into their things, is a right of its own, which nobody has yet.
_OWNERS_ALONE = (
    "desktop:connect",
    "desktop:clipboard",
    "desktop:files",
    "desktop:connect_disk",
    "desktop:disconnect_disk",
    "desktop:restore_disk",
    *_OWN_DISK_VERBS,
)

# One's own account: looking at it, and changing what proves who one is.
_ACCOUNT_VERBS = (
    "account:read",
    "account:update",
    "account:change_password",
    "session:read",
    "session:end",
    "token:read",
    "token:create",
    "token:revoke",
)

_PEOPLE_VERBS = (
    "user:read",
    "user:create",
    "user:disable",
    "user:enable",
    "user:reset_password",
    "user:change_role",
    "user:delete",
    "user:invite",
    "user:read_sign_ins",
    "user:end_sessions",
    "user:reset_factors",
    "user:manage_tokens",
)

GRANTS: Mapping[Role, Mapping[str, Scope]] = {
    Role.USER: {
        **dict.fromkeys((*_OWN_DESKTOP_VERBS, *_OWN_DISK_VERBS, *_ACCOUNT_VERBS), Scope.OWN),
        "catalog:read": Scope.ORGANIZATION,
        "event:read": Scope.OWN,
    },
    Role.ADMINISTRATOR: {
        **dict.fromkeys(_OWN_DESKTOP_VERBS, Scope.ORGANIZATION),
        **dict.fromkeys(_OWNERS_ALONE, Scope.OWN),
        **dict.fromkeys(_ACCOUNT_VERBS, Scope.OWN),
        # It may leave things behind in the cloud, which people cannot clean up.
        "desktop:force_delete": Scope.ORGANIZATION,
        "desktop:hand_over": Scope.ORGANIZATION,
        "desktop:create_for": Scope.ORGANIZATION,
        # Who works on it, what the cloud said word by word, its request ids.
        "operation:trace": Scope.ORGANIZATION,
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
    if actor.scopes is not None and not within(actor.scopes, verb):
        return None
    return GRANTS.get(actor.role, {}).get(verb)


def within(scopes: frozenset[str], verb: str) -> bool:
    """Whether a token with these scopes may use this verb."""
    return verb in scopes or f"{verb.partition(':')[0]}:*" in scopes or (READ_ONLY in scopes and verb.endswith(":read"))


def verbs_of(role: Role) -> frozenset[str]:
    """Every verb that a role may use on something: what a token can be narrowed to."""
    return frozenset(GRANTS.get(role, {}))


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
