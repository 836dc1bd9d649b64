"""Two processes on a real MariaDB ask for the last desktop that a license allows, many people at once: one gets it."""

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.installation import PASSWORD, QUICK_PASSWORDS
from tests.support.licenses import PIN, VENDOR
from tests.support.mariadb import MariaDb
from tests.support.waiting import eventually

from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security import licenses
from yunzhuo.phoenix.security.licenses import License, Limits
from yunzhuo.services.access import Role
from yunzhuo.services.assembly import services
from yunzhuo.services.first_start import prepare

pytestmark = [pytest.mark.servers, pytest.mark.slow]
PEOPLE_PER_PROCESS = 25


def test_of_fifty_who_ask_at_once_one_gets_the_last_desktop(mariadb: MariaDb, tmp_path: Path) -> None:
    told = {"home": str(tmp_path / "home"), "database": {"url": mariadb.make_database()}, "cloud": {"driver": "memory"}}
    settings = Settings.model_validate(told)
    prepare(settings)
    people = [f"person-{number}@school.local" for number in range(2 * PEOPLE_PER_PROCESS)]
    now = datetime.now(UTC).replace(microsecond=0)
    with services(settings, passwords=QUICK_PASSWORDS, pin=PIN) as all_services:
        all_services.catalog.synchronize(all_services.accounts.default_organization_id())
        boss = all_services.accounts.add("boss@school.local", PASSWORD, Role.OPERATOR).actor()
        for email in people:
            all_services.accounts.add(email, PASSWORD, Role.USER)
        key = all_services.licensing.status(boss).installation_key
        image, flavor = all_services.catalog.images(boss)[0].id, all_services.catalog.flavors(boss)[0].id
        license_ = License(
            license_id="l-1",
            serial=1,
            installation_id="i-1",
            installation_key=key,
            customer="School",
            edition="school",
            limits=Limits(desktops=2),
            issued_at=now,
            not_before=now - timedelta(days=1),
            expires_at=now + timedelta(days=1),
        )
        all_services.licensing.take(boss, licenses.sign(license_, VENDOR))
        all_services.desktops.request(boss, image_id=image, flavor_id=flavor)
    signal = tmp_path / "go"
    askers = []
    for number in range(2):
        file = tmp_path / f"wishes-{number}.json"
        mine = people[number * PEOPLE_PER_PROCESS : (number + 1) * PEOPLE_PER_PROCESS]
        vendor = VENDOR.as_pem(private=False).decode()
        file.write_text(json.dumps({"settings": told, "vendor": vendor, "people": mine, "signal": str(signal)}))
        command = [sys.executable, "-m", "tests.support.asking_process", str(file)]
        askers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    eventually(lambda: all((tmp_path / f"wishes-{number}.ready").exists() for number in range(2)), 60)
    signal.touch()
    outcomes: Counter[str] = Counter()
    for asker in askers:
        out, _ = asker.communicate(timeout=120)
        assert asker.returncode == 0
        outcomes.update(json.loads(out.splitlines()[-1]))
    # Whoever had to wait too long for the others is told so; nobody gets what is not there.
    assert outcomes["granted"] == 1
    assert outcomes.keys() <= {"granted", "license_limit_reached", "database_contended"}
    assert sum(outcomes.values()) == 2 * PEOPLE_PER_PROCESS
    with services(settings, passwords=QUICK_PASSWORDS, pin=PIN) as all_services:
        amounts = {each.limit: each.used for each in all_services.licensing.status(boss).amounts}
    assert amounts["desktops"] == 2  # type: ignore[index]  # a word is its own limit
