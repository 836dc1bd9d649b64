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
    """Whoever asks. ``client_address`` and ``request_id`` go into the audit log."""

    user_id: str
    organization_id: str
    email: str
    role: Role
    client_address: str | None = None
    request_id: str | None = None


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
        **dict.fromkeys((*_OWN_DESKTOP_VERBS, *_OWN_DISK_VERBS), Scope.OWN),
        "catalog:read": Scope.ORGANIZATION,
        "event:read": Scope.OWN,
    },
    Role.ADMINISTRATOR: {
        **dict.fromkeys(_OWN_DESKTOP_VERBS, Scope.ORGANIZATION),
        **dict.fromkeys(_OWNERS_ALONE, Scope.OWN),
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
