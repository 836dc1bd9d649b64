"""An installation with one of everybody in it: what the matrix asks about, and a way back after each change."""

import csv
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from flask import Flask

from tests.support.api import SECRET_KEY
from tests.support.installation import PASSWORD, Installation, installation
from tests.support.pools import make_pool
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.access import installation as itself
from yunzhuo.services.consoles import ConsoleProtocol
from yunzhuo.services.rules.rollouts import Pace
from yunzhuo.services.rules.schedules import Deed, SubjectKind
from yunzhuo.services.schedules import ScheduleWish
from yunzhuo.services.tokens import TokenWish
from yunzhuo.web.app import create_app

MATRIX = Path(__file__).with_name("matrix.csv")
ROLES = tuple(Role)
# Whose the thing is: the actor's own; somebody's in a group that they own; somebody else's; another organization's.
WHOSE = ("own", "group", "other", "foreign")


@dataclass(frozen=True)
class Row:
    """One line of the matrix. ``cells`` are empty for what needs no person."""

    kind: str
    name: str
    cells: Mapping[str, str]

    @property
    def subject(self) -> str:
        """The method without the variant that stands behind it; a route as it is."""
        return self.name.partition(" ")[0] if self.kind in ("method", "internal") else self.name


def rows() -> list[Row]:
    """The matrix as it is written."""
    lines = [line for line in MATRIX.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [
        Row(line["kind"], line["name"], {role: line[role] for role in ROLES if line[role]})
        for line in csv.DictReader(lines, restval="")
    ]


@dataclass(frozen=True)
class Target:
    """Everything that belongs to somebody, by id."""

    user: str
    desktop: str
    operation: str
    snapshot: str
    group: str
    role: str
    organization: str
    session: str
    token: str
    invitation: str
    service: str
    screen: str
    pool: str
    schedule: str


@dataclass
class World:
    """The installation, its people by role, and what each role's wishes are about."""

    yunzhuo: Installation
    app: Flask
    actors: Mapping[Role, Actor]
    targets: Mapping[tuple[Role, str], Target]
    tokens: Mapping[Role, str]
    sessions: Mapping[Role, str]
    bystander: str
    gateway: str
    segment: str
    kept: sqlite3.Connection

    def undo(self) -> None:
        """Put the database back to what it was in the beginning."""
        with sqlite3.connect(self.yunzhuo.settings.home / "yunzhuo.db") as present:
            self.kept.backup(present)
        present.close()


def _keys(yunzhuo: Installation, everybody: Sequence[Actor], chiefs: Sequence[Actor]) -> Mapping[tuple[str, str], str]:
    """What lets in: of each person a session and a token, of each organization an invitation and a service account."""
    services, found = yunzhuo.services, dict[tuple[str, str], str]()
    for number, each in enumerate(everybody):
        services.sign_ins.sign_in(each.email, PASSWORD, client_address=f"192.0.2.{100 + number}")
        found[each.user_id, "session"] = services.sessions.list(each)[0].id
        found[each.user_id, "token"] = services.tokens.create(each, TokenWish("program")).token.id
    for number, chief in enumerate(chiefs):
        invited, program = f"invited-{number}@school.local", f"program-{number}@school.local"
        found[chief.organization_id, "invitation"] = services.registration.invite(chief, invited, Role.USER).id
        found[chief.organization_id, "service"] = services.tokens.add_service(chief, program, Role.USER).id
    return found


def _screen(yunzhuo: Installation, owner: Actor, desktop_id: str, gateway: str) -> str:
    """An open screen of somebody's."""
    connection = yunzhuo.services.consoles.open(owner, desktop_id, ConsoleProtocol.VNC)
    yunzhuo.services.consoles.redeem(gateway, connection.ticket, client_address="192.0.2.7")
    return connection.id


def _pools(yunzhuo: Installation, chief: Actor, members: Sequence[Actor], elsewhere: Actor) -> tuple[str, str, str]:
    """One in which all members have a desktop, one that is nobody's, and another organization's."""
    ours = make_pool(yunzhuo, chief, name="ours", capacity=len(members), spares=0, members=members)
    others = make_pool(yunzhuo, chief, name="others", spares=0)
    for each in members:
        yunzhuo.services.claims.claim(each, ours)
    yunzhuo.run()
    for pool_id in (ours, others):
        _roll_out(yunzhuo, chief, pool_id)
    return ours, others, make_pool(yunzhuo, elsewhere, name="foreign", spares=0)


def _roll_out(yunzhuo: Installation, chief: Actor, pool_id: str) -> None:
    """Another image on its way into a pool, at the first of two stages."""
    images, flavors = yunzhuo.services.catalog.images(chief), yunzhuo.services.catalog.flavors(chief)
    large = next(each for each in flavors if each.fits(images[1]))
    yunzhuo.services.pools.change(chief, pool_id, lambda wish: replace(wish, flavor_id=large.id))
    yunzhuo.services.rollouts.start(chief, pool_id, images[1].id, Pace(stages=(50, 100)))


def _learn(yunzhuo: Installation, organization_id: str) -> None:
    """What the cloud offers, and that it has floating IPs."""
    yunzhuo.services.catalog.synchronize(organization_id)
    yunzhuo.services.address_upkeep.round()


def _schedules(yunzhuo: Installation, pools: Sequence[str], chiefs: Sequence[Actor]) -> Mapping[str, str]:
    """One for each pool."""
    create = yunzhuo.services.schedules.create
    return {
        pool: create(chief, ScheduleWish(pool, "0 22 * * *", Deed.STOP, SubjectKind.POOL, pool)).id
        for pool, chief in zip(pools, chiefs, strict=True)
    }


@contextmanager
def world(home: Path) -> Iterator[World]:  # noqa: PLR0915 # a list of what there is
    """Five people, one of each role, who each own the group of a pupil; somebody else; another organization."""
    with installation(home, limits={"desktops_per_user": 5}) as yunzhuo:
        services = yunzhuo.services
        here = services.accounts.default_organization_id()
        chief = itself(here)
        there = services.organizations.create(chief, "elsewhere").id
        _learn(yunzhuo, there)
        people = {role: yunzhuo.person(role.value) for role in ROLES}
        pupil, other, bystander = (yunzhuo.person(name) for name in ("pupil", "other", "bystander"))
        stranger = services.people.create(itself(there), "stranger@elsewhere.local", Role.USER, password=PASSWORD).user.actor()
        everybody = [*people.values(), pupil, other, stranger]
        desktops = {each.user_id: yunzhuo.request(each, name="Mine") for each in everybody}
        yunzhuo.run()
        snapshots: dict[str, str] = {}
        for each in everybody:
            services.snapshots.create(each, desktops[each.user_id].desktop.id, "first")
        yunzhuo.run()
        for each in everybody:
            desktop_id = desktops[each.user_id].desktop.id
            snapshots[each.user_id] = services.snapshots.list(each, desktop_id).items[0].id
            services.guests.write_piece(each, desktop_id, "x", b"x", offset=0, size_bytes=1)
        doors = services.gateways.list(chief)[0].id, services.gateways.add_segment(chief, "inside", "10.1.0.0/16").id
        screens = {each.user_id: _screen(yunzhuo, each, desktops[each.user_id].desktop.id, doors[0]) for each in everybody}
        ours = services.groups.create(chief, "ours")
        others, foreign = services.groups.create(chief, "others"), services.groups.create(itself(there), "foreign")
        services.groups.put_member(chief, ours.id, pupil.user_id)
        for each in people.values():
            services.groups.put_member(chief, ours.id, each.user_id, is_owner=True)
        pools = _pools(yunzhuo, chief, list(people.values()), itself(there))
        schedules = _schedules(yunzhuo, pools, (chief, chief, itself(there)))
        helpers = services.roles.create(chief, "helpers", {"catalog:read": "organization"}).id
        foreign_role = services.roles.create(itself(there), "helpers", {"catalog:read": "organization"}).id
        for role, each in people.items():
            if role is not Role.USER:
                services.people.change_role(chief, each.user_id, role)
        keys = _keys(yunzhuo, everybody, [chief, itself(there)])
        actors = {
            role: services.organizations.widened(services.accounts.by_email(each.email).actor())
            for role, each in people.items()
        }

        def target(owner: Actor, group: str, role: str, organization: str, pool: str) -> Target:
            accepted = desktops[owner.user_id]
            return Target(
                owner.user_id,
                accepted.desktop.id,
                accepted.operation.id,
                snapshots[owner.user_id],
                group,
                role,
                organization,
                keys[owner.user_id, "session"],
                keys[owner.user_id, "token"],
                keys[organization, "invitation"],
                keys[organization, "service"],
                screens[owner.user_id],
                pool,
                schedules[pool],
            )

        targets: dict[tuple[Role, str], Target] = {}
        for role, each in people.items():
            targets[role, "own"] = target(each, ours.id, helpers, here, pools[0])
            targets[role, "group"] = target(pupil, ours.id, helpers, here, pools[1])
            targets[role, "other"] = target(other, others.id, helpers, here, pools[1])
            targets[role, "foreign"] = target(stranger, foreign.id, foreign_role, there, pools[2])
        signed = {role: (each.email, "192.0.2.7") for role, each in people.items()}
        tokens = {
            role: services.tokens.create_with_password(email, PASSWORD, client_address=address).secret
            for role, (email, address) in signed.items()
        }
        sessions = {
            role: services.sign_ins.sign_in(email, PASSWORD, client_address=address).secret
            for role, (email, address) in signed.items()
        }
        for role, each in people.items():
            sessions[role] = services.step_up.for_session(each, PASSWORD, sessions[role])
        kept = sqlite3.connect(":memory:")
        with sqlite3.connect(yunzhuo.settings.home / "yunzhuo.db") as present:
            present.backup(kept)
        present.close()
        app = create_app(services, secret_key=SECRET_KEY)
        yield World(yunzhuo, app, actors, targets, tokens, sessions, bystander.user_id, *doors, kept)
        kept.close()
