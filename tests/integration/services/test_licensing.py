"""The installation's license: taken or refused, enforced where things are made, noticed when the clock goes back."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.support.installation import START, installation
from tests.support.licenses import PIN, VENDOR, YEAR, Licensed

from yunzhuo.phoenix.cloud.resources import ConsoleProtocol
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, LimitReached
from yunzhuo.phoenix.security import host_info, sealed, signing_keys
from yunzhuo.phoenix.security.licenses import LicenseRefused, Limits
from yunzhuo.phoenix.security.vendor_pin import VendorPin
from yunzhuo.services.access import Role
from yunzhuo.services.license_book import Limit
from yunzhuo.services.licensing import LicenseNotice
from yunzhuo.services.list_files import FileKind
from yunzhuo.services.rules.licensing import Phase
from yunzhuo.services.rules.lifecycle import Action

pytestmark = pytest.mark.slow


@pytest.fixture
def licensed(tmp_path: Path) -> Iterator[Licensed]:
    with installation(tmp_path / "home", pin=PIN) as yunzhuo:
        yield Licensed(yunzhuo, yunzhuo.person("boss", Role.OPERATOR))


def test_without_a_license_there_is_no_limit(licensed: Licensed) -> None:
    status = licensed.yunzhuo.services.licensing.status(licensed.boss)
    assert status.phase is Phase.UNLICENSED
    assert all(amount.most is None for amount in status.amounts)
    licensed.yunzhuo.available(licensed.boss)


def test_a_build_that_needs_one_does_nothing_without(tmp_path: Path) -> None:
    with installation(tmp_path / "home", pin=VendorPin(PIN.keys, is_license_needed=True)) as yunzhuo:
        boss = Licensed(yunzhuo, yunzhuo.person("boss", Role.OPERATOR))
        with pytest.raises(LimitReached):
            yunzhuo.person("second")
        with pytest.raises(LimitReached) as refusal:
            yunzhuo.request(boss.boss)
        assert refusal.value.code == "license_missing"
        boss.take()
        yunzhuo.available(boss.boss)


def test_limits_are_kept_and_told(licensed: Licensed) -> None:
    flavor = licensed.yunzhuo.flavor(licensed.boss)
    status = licensed.take(limits=Limits(desktops=2, users=2, memory_mib=3 * flavor.memory_mib))
    assert status.phase is Phase.ACTIVE
    first = licensed.yunzhuo.available(licensed.boss)
    licensed.yunzhuo.available(licensed.boss)
    with pytest.raises(LimitReached) as refusal:
        licensed.yunzhuo.request(licensed.boss)
    assert refusal.value.details == {"resource": "desktops", "used": 2, "limit": 2}
    licensed.yunzhuo.services.desktops.act(licensed.boss, first, Action.STOP)
    licensed.yunzhuo.run()
    licensed.yunzhuo.available(licensed.boss)  # at the same time there are two
    with pytest.raises(LimitReached):
        licensed.yunzhuo.services.desktops.act(licensed.boss, first, Action.START)
    licensed.yunzhuo.person("second")
    with pytest.raises(LimitReached):
        licensed.yunzhuo.person("third")
    people = b"email\nfourth@school.local\nfifth@school.local\n"
    with pytest.raises(LimitReached):
        licensed.yunzhuo.services.people_import.run(licensed.boss, people, FileKind.CSV)
    amounts = licensed.yunzhuo.services.licensing.status(licensed.boss).amounts
    told = {each.limit: (each.used, each.warned_percent) for each in amounts}
    assert told[Limit.DESKTOPS] == (2, 100)
    assert told[Limit.USERS] == (2, 100)
    assert told[Limit.VCPUS][1] is None


def test_in_grace_all_runs_and_nothing_new_is_built(licensed: Licensed) -> None:
    yunzhuo = licensed.yunzhuo
    licensed.take()
    desktop, stopped = yunzhuo.available(licensed.boss), yunzhuo.available(licensed.boss)
    yunzhuo.services.desktops.act(licensed.boss, stopped, Action.STOP)
    yunzhuo.run()
    yunzhuo.clock.set(START + YEAR)
    assert licensed.phase() is Phase.GRACE
    yunzhuo.services.desktops.act(licensed.boss, stopped, Action.START)
    yunzhuo.run()
    yunzhuo.services.consoles.open(licensed.boss, desktop, ConsoleProtocol.VNC)
    with pytest.raises(LimitReached) as refusal:
        yunzhuo.request(licensed.boss)
    assert refusal.value.code == "license_grace"
    yunzhuo.clock.set(START + YEAR + timedelta(days=14))
    assert licensed.phase() is Phase.ENDED
    with pytest.raises(LimitReached):
        yunzhuo.services.consoles.open(licensed.boss, desktop, ConsoleProtocol.VNC)
    yunzhuo.services.snapshots.create(licensed.boss, desktop, "saved")
    yunzhuo.run()
    for action in (Action.STOP, Action.DELETE):
        yunzhuo.services.desktops.act(licensed.boss, desktop, action)
        yunzhuo.run()
    licensed.take(serial=2, expires_at=START + 2 * YEAR)  # renewed
    yunzhuo.available(licensed.boss)


def test_a_worse_license_never_replaces_a_good_one(licensed: Licensed) -> None:
    good = licensed.document(serial=5)
    licensed.yunzhuo.services.licensing.take(licensed.boss, good)
    bad = {
        "license_older": licensed.document(serial=4),
        "license_other_installation": licensed.document(serial=6, installation_key=VENDOR.thumbprint()),
        "license_too_early": licensed.document(serial=6, not_before=START + timedelta(days=1)),
        "license_over": licensed.document(
            serial=6, not_before=START - YEAR, expires_at=START - timedelta(days=20), issued_at=START - YEAR
        ),
        "license_unknown_key": licensed.document(key=signing_keys.make(), serial=6),
        "license_serial_used": licensed.document(serial=5, license_id="l-2"),
    }
    for code, document in bad.items():
        with pytest.raises((LicenseRefused, sealed.SealBroken, Conflict)) as refusal:
            licensed.yunzhuo.services.licensing.take(licensed.boss, document)
        assert refusal.value.code == code
    status = licensed.yunzhuo.services.licensing.take(licensed.boss, good)  # the same once more is no error
    assert status.license is not None
    assert (status.license.serial, status.license.license_id) == (5, "l-1")


def test_a_row_that_somebody_edited_gives_nothing(licensed: Licensed) -> None:
    licensed.take(limits=Limits(desktops=1))
    engine = create_engine(licensed.yunzhuo.settings.database_url)
    for document in (
        licensed.document(limits=Limits(desktops=1000)).decode().replace("A", "B", 1),
        licensed.document(key=signing_keys.make(), limits=Limits(desktops=1000)).decode(),
        licensed.document(installation_key="x", limits=Limits(desktops=1000)).decode(),
    ):
        with engine.begin() as connection:
            connection.execute(text("UPDATE installation SET document = :document"), {"document": document})
        assert licensed.phase() is Phase.MISSING
        with pytest.raises(LimitReached):
            licensed.yunzhuo.request(licensed.boss)
    engine.dispose()


def test_a_clock_put_back_is_noticed(licensed: Licensed) -> None:
    yunzhuo = licensed.yunzhuo
    licensed.take()
    yunzhuo.clock.set(START + YEAR - timedelta(days=1))
    yunzhuo.services.licensing.witness()
    yunzhuo.clock.set(START)
    yunzhuo.services.licensing.witness()  # an earlier time is not noted
    assert licensed.phase() is Phase.CLOCK_BACK
    with pytest.raises(LimitReached):
        yunzhuo.request(licensed.boss)
    engine = create_engine(yunzhuo.settings.database_url)
    with engine.begin() as connection:  # who edits the witness, too
        connection.execute(text("UPDATE installation SET latest_seen = '2026-03-01 00:00:00.000000'"))
    assert licensed.phase() is Phase.EDITED
    yunzhuo.services.licensing.witness()  # does not make it good
    assert licensed.phase() is Phase.EDITED
    with pytest.raises(LicenseRefused):
        licensed.take()  # the same once more knows nothing of the time
    assert licensed.take(serial=2).phase is Phase.ACTIVE
    engine.dispose()


def test_a_clock_that_was_ahead_is_made_good_by_a_newer_license(licensed: Licensed) -> None:
    licensed.take()
    licensed.yunzhuo.clock.set(START + 10 * YEAR)
    licensed.yunzhuo.services.licensing.witness()
    licensed.yunzhuo.clock.set(START)
    assert licensed.phase() is Phase.CLOCK_BACK
    assert licensed.take().phase is Phase.CLOCK_BACK  # the same once more
    assert licensed.take(serial=2).phase is Phase.ACTIVE


def test_an_older_license_put_into_the_row_gives_nothing(licensed: Licensed) -> None:
    larger = licensed.document(limits=Limits(desktops=1000))
    licensed.yunzhuo.services.licensing.take(licensed.boss, larger)
    licensed.take(serial=2, limits=Limits(desktops=1))
    engine = create_engine(licensed.yunzhuo.settings.database_url)
    for serial in (2, 1):
        with engine.begin() as connection:
            row = {"document": larger.decode(), "serial": serial}
            connection.execute(text("UPDATE installation SET document = :document, serial = :serial"), row)
        assert licensed.phase() is Phase.EDITED
        with pytest.raises(LimitReached):
            licensed.yunzhuo.request(licensed.boss)
    engine.dispose()


def test_a_withdrawn_license_takes_all_but_stopping_saving_and_deleting(licensed: Licensed) -> None:
    licensed.take()
    desktop = licensed.yunzhuo.available(licensed.boss)
    assert licensed.take(serial=2, withdrawn_at=START).phase is Phase.WITHDRAWN
    with pytest.raises(LicenseRefused):
        licensed.take()  # the one before does not come back
    with pytest.raises(LimitReached):
        licensed.yunzhuo.services.consoles.open(licensed.boss, desktop, ConsoleProtocol.VNC)
    licensed.yunzhuo.services.desktops.act(licensed.boss, desktop, Action.STOP)
    assert licensed.take(serial=3).phase is Phase.ACTIVE


def test_what_is_warned_of(licensed: Licensed) -> None:
    def notice() -> LicenseNotice | None:
        return licensed.yunzhuo.services.licensing.notice(licensed.boss)

    assert notice() is None
    licensed.take(limits=Limits(users=5))
    assert notice() is None
    for number in range(3):
        licensed.yunzhuo.person(f"person-{number}")
    nearly = notice()
    assert nearly is not None
    assert (nearly.limits, nearly.is_urgent) == ({Limit.USERS: 80}, False)
    licensed.yunzhuo.person("last")
    full = notice()
    assert full is not None
    assert (full.limits, full.is_urgent) == ({Limit.USERS: 100}, True)
    licensed.take(serial=2)
    days = {}
    for left in (31, 30, 7, 1, 0, -13):
        licensed.yunzhuo.clock.set(START + YEAR - timedelta(days=left))
        told = notice()
        days[left] = (told.phase, told.days_left, told.is_urgent) if told else None
    assert days == {
        31: None,
        30: (Phase.ACTIVE, 30, False),
        7: (Phase.ACTIVE, 7, True),
        1: (Phase.ACTIVE, 1, True),
        0: (Phase.GRACE, 14, True),
        -13: (Phase.GRACE, 1, True),
    }


def test_images_beyond_the_limit_are_not_offered(licensed: Licensed) -> None:
    yunzhuo = licensed.yunzhuo
    there = len(yunzhuo.services.catalog.images(licensed.boss))
    licensed.take(limits=Limits(images=there))
    organization = licensed.boss.organization_id
    made = yunzhuo.cloud.images.list()[0]
    assert made.name in {image.name for image in yunzhuo.services.catalog.images(licensed.boss)}
    elsewhere = yunzhuo.services.organizations.create(licensed.boss, "elsewhere").id
    yunzhuo.services.catalog.synchronize(elsewhere)  # the same images, which are counted once
    licensed.take(serial=2, limits=Limits(images=there - 1))
    yunzhuo.services.catalog.synchronize(organization)  # what is offered stays so
    assert len(yunzhuo.services.catalog.images(licensed.boss)) == there


def test_the_installation_says_who_it_is(licensed: Licensed) -> None:
    document = licensed.yunzhuo.services.licensing.host_info(licensed.boss)
    said = host_info.read(document)
    assert said.key_id == licensed.yunzhuo.services.licensing.status(licensed.boss).installation_key
    forged = said.model_dump(mode="json") | {"host_name": "elsewhere"}
    with pytest.raises(sealed.SealBroken):
        host_info.read(sealed.seal(host_info.KIND, forged, VENDOR))
    for position in range(0, len(document), 7):
        changed = bytearray(document)
        changed[position] ^= 1
        with pytest.raises((sealed.SealBroken, LicenseRefused)):
            host_info.read(bytes(changed))


def test_only_operators_see_and_change_it(licensed: Licensed) -> None:
    administrator = licensed.yunzhuo.person("head", Role.ADMINISTRATOR)
    licensing = licensed.yunzhuo.services.licensing
    for ask in (licensing.status, licensing.host_info, lambda actor: licensing.take(actor, b"{}")):
        with pytest.raises(Forbidden):
            ask(administrator)


def test_private_keys_never_leave(licensed: Licensed) -> None:
    licensed.take()
    private = (licensed.yunzhuo.settings.secrets_dir / "installation-key").read_text().splitlines()[1]
    assert private not in licensed.yunzhuo.everything_stored()
    assert private.encode() not in licensed.yunzhuo.services.licensing.host_info(licensed.boss)
