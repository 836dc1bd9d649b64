"""A vendor to look at: customers with installations in every state, in this process, with people who can sign in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.installation import QUICK_PASSWORDS
from tests.support.license_server import Host, Vendor, listening

from yunzhuo.license.app import create_app
from yunzhuo.license.assembly import LicenseServices, license_services, upgrade_database
from yunzhuo.license.installations import Terms
from yunzhuo.license.rules import Act
from yunzhuo.phoenix.common.clock import FixedClock
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security.licenses import Limits
from yunzhuo.services.access import Actor, installation
from yunzhuo.services.rules.licensing import EDITIONS

PASSWORD = "correct horse battery"
BOSS, HEAD, EMPTY = "boss@vendor.example", "head@school.example", "new@school.example"
_CUSTOMERS = ("第一中学", "Riverside College", "信息工程学院", "Northgate Primary School", "市第三职业技术学校")


@dataclass
class Site:
    """Where it is, and everybody's pages by what a picture of them is called. ``bare`` is a server with nothing in it."""

    url: str
    bare: str
    server: Vendor
    pages: dict[str, dict[str, str]] = field(default_factory=dict)


@contextmanager
def small_vendor(home: Path) -> Iterator[Site]:
    """A server with much in it, and one with nothing."""
    with _services(home / "full") as full, _services(home / "bare") as bare:
        server = _vendor(full)
        server.services.keys.create()
        server.services.keys.rotate()
        for all_services in (full, bare):
            add(all_services, BOSS)
        with listening(create_app(full, secret_key="full")) as url, listening(create_app(bare, secret_key="bare")) as empty:
            site = Site(url, empty, server)
            site.pages = _fill(server)
            yield site


@contextmanager
def _services(home: Path) -> Iterator[LicenseServices]:
    settings = Settings.model_validate({"home": home})
    upgrade_database(settings)
    with license_services(settings, passwords=QUICK_PASSWORDS) as all_services:
        yield all_services


def _vendor(all_services: LicenseServices) -> Vendor:
    boss = installation(all_services.accounts.accounts.default_organization_id())
    return Vendor(all_services, FixedClock(datetime.now(UTC).replace(microsecond=0)), boss)


def add(all_services: LicenseServices, email: str, customer_id: str | None = None) -> Actor:
    """Somebody with :data:`PASSWORD`: one of the vendor's own, or of a customer's."""
    boss = installation(all_services.accounts.accounts.default_organization_id())
    customers = all_services.customers
    made = customers.add_vendor(boss, email) if customer_id is None else customers.add_contact(boss, customer_id, email)
    all_services.accounts.accounts.change_password(made.user.actor(), made.one_time_password or "", PASSWORD)
    return made.user.actor()


def _fill(server: Vendor) -> dict[str, dict[str, str]]:
    """Everything there is to be seen; answers the pages."""
    installations, boss, now = server.services.installations, server.boss, server.clock.now()
    customers = [server.customer(name) for name in _CUSTOMERS]
    add(server.services, HEAD, customers[0])
    add(server.services, EMPTY, customers[4])
    server.services.customers.add_contact(boss, customers[0], "it.office@school.example")
    ids: list[str] = []
    for number, days in enumerate((400, 22, 95, 95, 210, 300, 300, 300, 5, 340)):
        edition = ("school", "campus", "standard")[number % 3]
        limits = Limits(desktops=40 + 20 * number, users=1000 * (number + 1), memory_mib=524_288 if number % 2 else None)
        starts = now - timedelta(days=30)
        terms = Terms(edition, EDITIONS[edition], limits, starts, now + timedelta(days=days), 14)
        name = ("Main building", "计算机实验楼", "Library", "Evening school")[number % 4]
        made = installations.create(boss, customers[number % 4], f"{name} {number // 4 + 1}", terms)
        host = Host(server, f"vdi-{number:02}.school.example", f"m-{number}")
        installations.take_host_info(boss, made.installation.id, host.document())
        ids.append(made.installation.id)
    installations.act(boss, ids[2], Act.SUSPEND)
    installations.act(boss, ids[3], Act.REVOKE)
    ended = installations.get(boss, ids[9]).terms
    installations.change(boss, ids[9], replace(ended, starts_at=now - timedelta(days=90), expires_at=now - timedelta(days=3)))
    installations.change(boss, ids[0], replace(installations.get(boss, ids[0]).terms, limits=Limits(desktops=120, users=3000)))
    installations.take_host_info(boss, ids[0], Host(server, "vdi-new.school.example", "m-x").document())
    waiting = installations.create(boss, customers[3], "Gym", ended).installation.id
    own = f"/installations/{ids[0]}"
    return {
        "boss": {
            "installations": "/installations",
            "found-nothing": "/installations?q=zzz",
            "installation": own,
            "suspended": f"/installations/{ids[2]}",
            "revoked": f"/installations/{ids[3]}",
            "expired": f"/installations/{ids[9]}",
            "waiting": f"/installations/{waiting}",
            "change": f"{own}/change",
            "revoke": f"{own}/confirm/revoke",
            "delete": f"{own}/confirm/delete",
            "new": "/installations/new",
            "customers": "/customers",
            "customer": f"/customers/{customers[0]}",
            "delete-customer": f"/customers/{customers[0]}/delete",
            "keys": "/keys",
            "lists": "/lists",
            "people": "/people",
            "security": "/security",
            "not-found": "/installations/nothing",
        },
        "head": {"own": "/installations", "own-installation": own, "profile": "/profile"},
        "nobody": {"sign-in": "/sign-in", "forgot": "/forgot"},
    }
