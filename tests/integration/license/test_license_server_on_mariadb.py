"""The license server on a real MariaDB: many changes of one installation at once, each with a serial of its own."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.installation import QUICK_PASSWORDS, START
from tests.support.license_server import Host, Vendor
from tests.support.mariadb import MariaDb

from yunzhuo.license.assembly import license_services, upgrade_database
from yunzhuo.license.rules import Act
from yunzhuo.phoenix.common.clock import FixedClock
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security import licenses
from yunzhuo.services.access import installation

pytestmark = [pytest.mark.servers, pytest.mark.slow]

AT_ONCE = 12


def test_serials_grow_by_one_whoever_asks_at_once(mariadb: MariaDb, tmp_path: Path) -> None:
    url = mariadb.make_database()
    settings = Settings.model_validate({"home": tmp_path / "home", "license_server": {"database_url": url}})
    upgrade_database(settings)
    clock = FixedClock(START)
    with license_services(settings, clock=clock, passwords=QUICK_PASSWORDS) as all_services:
        all_services.keys.create()
        server = Vendor(all_services, clock, installation(all_services.accounts.accounts.default_organization_id()))
        installations = all_services.installations
        made = server.installation(server.customer(), desktops=40).installation
        installations.take_host_info(server.boss, made.id, Host(server).document())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda _: installations.act(server.boss, made.id, Act.ISSUE), range(AT_ONCE)))
        history = installations.licenses(server.boss, made.id)
        assert [each.serial for each in history] == list(range(AT_ONCE + 1, 0, -1))
        found, _ = licenses.read(installations.license_file(server.boss, made.id), server.pin().keys.get)
        assert (found.serial, found.limits.desktops, found.customer) == (AT_ONCE + 1, 40, "第一中学")
        assert installations.act(server.boss, made.id, Act.REVOKE).state == "revoked"
