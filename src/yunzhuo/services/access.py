"""Who may do what. Denied unless a role says otherwise; what is not yours does not exist for you.

A verb is ``object:what``. A person has one of the built-in roles and any number of their organization's own, which add to
it; each says how far its verbs reach. What a person lets somebody else do with their things counts beside that
(``services/reach.py`` reads it), and a token may allow less, never more. ``services/verbs.py`` says what each verb means.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from yunzhuo.phoenix.common.errors import Forbidden


class Role(StrEnum):
    """The built-in roles. Every person has one of them."""

    USER = "user"
    TEACHER = "teacher"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"


class Scope(StrEnum):
    """On whose objects a role may use a verb; each reaches further than the one before.

    ``GROUP`` are the things of the people in the groups that one owns, ``INSTALLATION`` what belongs to no organization.
    """

    OWN = "own"
    GROUP = "group"
    ORGANIZATION = "organization"
    INSTALLATION = "installation"

    @property
    def width(self) -> int:
        """How far it reaches, for comparing."""
        return list(Scope).index(self)


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever asks. ``client_address`` and ``request_id`` go into the audit log.

    ``scopes`` are the only verbs that the token they came with lets them use, ``desktop:*`` meaning all of an object's and
    :data:`READ_ONLY` all that only look; None: all that the role has. They narrow rights and never give one. ``custom`` is
    what the organization's own roles add to the role, ``delegated`` which verbs other people let them use on their things
    (``services/reach.py`` reads both). ``is_visiting``: an operator who has gone into an organization that is not their own;
    there they own nothing.
    """

    user_id: str
    organization_id: str
    email: str
    role: Role
    client_address: str | None = None
    request_id: str | None = None
    scopes: frozenset[str] | None = None
    custom: Mapping[str, Scope] = field(default_factory=dict)
    delegated: Mapping[str, frozenset[str]] = field(default_factory=dict)
    is_visiting: bool = False


READ_ONLY = "*:read"


def installation(organization_id: str) -> Actor:
    """Yunzhuo itself, when it is asked on its own command line: nobody, with an operator's rights."""
    return Actor("", organization_id, "", Role.OPERATOR)


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
    "desktop:undelete",
    "desktop:extend",
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
    "user:import",
    "user:export",
    "user:invite",
    "user:read_sign_ins",
    "user:end_sessions",
    "user:reset_factors",
    "user:manage_tokens",
)

_GROUP_VERBS = ("group:read", "group:create", "group:update", "group:delete")
_ROLE_VERBS = ("role:read", "role:create", "role:update", "role:delete", "role:grant")
_POLICY_VERBS = ("policy:read", "policy:change")
_POOL_VERBS = ("pool:read", "pool:create", "pool:update", "pool:roll_out", "pool:delete")
_SCHEDULE_VERBS = ("schedule:read", "schedule:create", "schedule:update", "schedule:run", "schedule:delete")
_LEASE_VERBS = ("desktop:set_end", "lease:read", "lease:update")
_QUOTA_VERBS = ("quota:read", "quota:change", "usage:read")
_GATEWAY_VERBS = ("gateway:read", "gateway:create", "gateway:update", "gateway:delete")
_SCREEN_VERBS = ("screen:read", "screen:end")
_AUDIT_VERBS = ("audit:read", "audit:export")
# What all organizations share: hosts, networks, and images in the cloud's store.
_CLOUD_VERBS = (
    *("host:update", "host:move", "network:read", "network:change"),
    *("image:read", "image:create", "image:update", "image:delete"),
)
_ORGANIZATION_VERBS = (
    "organization:read",
    "organization:create",
    "organization:change_project",
    "organization:rename",
    "organization:disable",
    "organization:enable",
    "organization:enter",
)
# What everybody does with their own account, whatever else they may.
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
# What a teacher does with the desktops of the people in their groups: help, not look over shoulders.
_TEACHERS_VERBS = (
    "desktop:read",
    "desktop:start",
    "desktop:stop",
    "desktop:reboot",
    "desktop:suspend",
    "desktop:resume",
    "desktop:rebuild",
)

_EVERYBODYS: Mapping[str, Scope] = dict.fromkeys(_ACCOUNT_VERBS, Scope.OWN)
_USERS: Mapping[str, Scope] = {
    **_EVERYBODYS,
    **dict.fromkeys((*_OWN_DESKTOP_VERBS, *_OWN_DISK_VERBS), Scope.OWN),
    "catalog:read": Scope.ORGANIZATION,
    "event:read": Scope.OWN,
    "delegation:read": Scope.OWN,
    "delegation:create": Scope.OWN,
    "delegation:delete": Scope.OWN,
    "pool:claim": Scope.OWN,
    "quota:read": Scope.OWN,
    "usage:read": Scope.OWN,
}
_ADMINISTRATORS: Mapping[str, Scope] = {
    **_USERS,
    **dict.fromkeys(_OWN_DESKTOP_VERBS, Scope.ORGANIZATION),
    **dict.fromkeys(_OWNERS_ALONE, Scope.OWN),
    "desktop:create": Scope.OWN,
    # It may leave things behind in the cloud, which people cannot clean up.
    "desktop:force_delete": Scope.ORGANIZATION,
    "desktop:hand_over": Scope.ORGANIZATION,
    "desktop:create_for": Scope.ORGANIZATION,
    # What its owner would not expect, and what may say more of it than its owner would.
    **dict.fromkeys(("desktop:care", "desktop:console_log"), Scope.ORGANIZATION),
    # Whoever is outside reaches a desktop by it: that is for those to say who answer for the network.
    **dict.fromkeys(("desktop:assign_address", "desktop:release_address", "address:read"), Scope.ORGANIZATION),
    # Who works on it, what the cloud said word by word, its request ids.
    "operation:trace": Scope.ORGANIZATION,
    "event:read": Scope.ORGANIZATION,
    "overview:read": Scope.ORGANIZATION,
    **dict.fromkeys(_PEOPLE_VERBS, Scope.ORGANIZATION),
    **dict.fromkeys((*_GROUP_VERBS, *_ROLE_VERBS, *_QUOTA_VERBS, *_AUDIT_VERBS, *_SCREEN_VERBS), Scope.ORGANIZATION),
    **dict.fromkeys((*_POLICY_VERBS, *_POOL_VERBS, *_SCHEDULE_VERBS, *_LEASE_VERBS), Scope.ORGANIZATION),
}

GRANTS: Mapping[Role, Mapping[str, Scope]] = {
    Role.USER: _USERS,
    Role.TEACHER: {
        **_USERS,
        **dict.fromkeys(_TEACHERS_VERBS, Scope.GROUP),
        **dict.fromkeys(("user:read", "group:read", "group:update", "usage:read"), Scope.GROUP),
    },
    Role.AUDITOR: {
        **_EVERYBODYS,
        "event:read": Scope.OWN,
        **dict.fromkeys(
            ("user:read", "group:read", "role:read", "quota:read", "policy:read", "usage:read"), Scope.ORGANIZATION
        ),
        **dict.fromkeys(_AUDIT_VERBS, Scope.ORGANIZATION),
    },
    Role.ADMINISTRATOR: _ADMINISTRATORS,
    Role.OPERATOR: {
        **_ADMINISTRATORS,
        **dict.fromkeys((*_ORGANIZATION_VERBS, *_GATEWAY_VERBS), Scope.INSTALLATION),
        **dict.fromkeys(
            ("host:read", "settings:read", "timer:read", "audit:verify", "license:read", "license:change"), Scope.INSTALLATION
        ),
        **dict.fromkeys(_CLOUD_VERBS, Scope.INSTALLATION),
        "quota:change": Scope.INSTALLATION,  # an organization's own, too
        "address:read": Scope.INSTALLATION,  # those that nobody has, too
    },
}


# Whoever can lock everybody else out: such people have a second factor where it is asked for, and the last one stays.
RUN_AN_ORGANIZATION = (Role.ADMINISTRATOR, Role.OPERATOR)


def grants_of(actor: Actor) -> Mapping[str, Scope]:
    """All that an actor may do and how far, whatever their token says."""
    return merged((GRANTS[actor.role], actor.custom))


def merged(several: Iterable[Mapping[str, Scope]]) -> dict[str, Scope]:
    """What all of them allow together: of each verb the furthest reach."""
    found: dict[str, Scope] = {}
    for grants in several:
        for verb, scope in grants.items():
            if verb not in found or scope.width > found[verb].width:
                found[verb] = scope
    return found


def covers(holder: Mapping[str, Scope], grants: Mapping[str, Scope]) -> bool:
    """Whether ``holder`` allows all of ``grants``: nobody gives away, or rules over, more than they have."""
    return all(verb in holder and scope.width <= holder[verb].width for verb, scope in grants.items())


def scope_of(actor: Actor, verb: str) -> Scope | None:
    """How far the actor's right to ``verb`` reaches; None: not at all."""
    if actor.scopes is not None and not within(actor.scopes, verb):
        return None
    built_in, custom = GRANTS[actor.role].get(verb), actor.custom.get(verb)
    scope = built_in if custom is None or (built_in is not None and built_in.width > custom.width) else custom
    # Nobody owns anything, or is in a group, where they are visiting.
    if actor.is_visiting and scope in (Scope.OWN, Scope.GROUP) and not verb.startswith(("account:", "session:", "token:")):
        return None
    return scope


def within(scopes: frozenset[str], verb: str) -> bool:
    """Whether a token with these scopes may use this verb."""
    return verb in scopes or f"{verb.partition(':')[0]}:*" in scopes or (READ_ONLY in scopes and verb.endswith(":read"))


def verbs_of(role: Role) -> frozenset[str]:
    """Every verb that a role may use on something: what a token can be narrowed to."""
    return frozenset(GRANTS[role])


def may(
    actor: Actor,
    verb: str,
    *,
    organization_id: str,
    owner_id: str | None = None,
    in_groups: frozenset[str] = frozenset(),
) -> bool:
    """Whether the actor may ``verb`` an object of this organization and owner.

    ``in_groups`` are those people who are in a group of the actor's (``reach.in_groups_of``).
    """
    if organization_id != actor.organization_id:
        return False
    match scope_of(actor, verb):
        case None:
            return False
        case Scope.ORGANIZATION | Scope.INSTALLATION:
            return True
        case scope:
            if owner_id is None:
                return False
            is_in_group = scope is Scope.GROUP and owner_id in in_groups
            return owner_id == actor.user_id or is_in_group or verb in actor.delegated.get(owner_id, ())


def require(actor: Actor, verb: str) -> Scope:
    """The actor's scope for ``verb``. Raises Forbidden when there is none."""
    scope = scope_of(actor, verb)
    if scope is None:
        raise forbidden(verb)
    return scope


def forbidden(verb: str) -> Forbidden:
    """What is answered to whoever lacks a right."""
    return Forbidden("forbidden", "You are not allowed to do this.", verb=verb)
