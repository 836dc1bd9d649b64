"""Workers are killed before, inside and after the steps of every operation, while everything around them fails, too.

Counted from outside: nothing is stuck, left behind, doubled or lost; and once the faults stop, all goes well by itself. The
seed is printed; ``YUNZHUO_TEST_SEED`` repeats a run (as far as processes repeat anything).
"""

import contextlib
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy
import structlog
from sqlalchemy import text

from tests.chaos.kill_points import KillPoints, all_points, choose, table
from tests.chaos.lives import CANCELLED, SUCCEEDED, Ended, People
from tests.chaos.site import Site, site, site_settings
from tests.support.installation import PASSWORD, QUICK_PASSWORDS
from tests.support.mariadb import MariaDb
from tests.support.rabbitmq import RabbitMq
from tests.support.waiting import eventually
from yunzhuo.phoenix import cloud as clouds
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.errors import YunzhuoError
from yunzhuo.services.access import Role
from yunzhuo.services.assembly import services
from yunzhuo.services.first_start import prepare

pytestmark = pytest.mark.servers
SETTLE_SECONDS = 640.0  # an operation that believed a lie waits in vain until its deadline of ten minutes
REPORT_SECONDS = 15.0
#: How long the cloud may be left with what nobody owns, and the table of disks with what is not so.
UPKEEP_SECONDS = 60.0


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("YUNZHUO_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """What this process has to say of a database that is away is no news here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.reset_defaults()


@pytest.fixture
def database() -> Iterator[MariaDb]:
    """One of its own: it is killed, and its disk gets full."""
    server = MariaDb(flush=2, space_mib=96)
    yield server
    server.close()


@pytest.mark.timeout(1500)
def test_sixty_kills(tmp_path: Path, database: MariaDb, rabbitmq: RabbitMq, chance: random.Random) -> None:
    run(tmp_path, database, rabbitmq, chance, kills=60, desktops=40, seconds=420)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_three_kills_at_every_moment_of_every_step(
    tmp_path: Path, database: MariaDb, rabbitmq: RabbitMq, chance: random.Random
) -> None:
    run(tmp_path, database, rabbitmq, chance, kills=max(300, 3 * len(all_points())), desktops=500, seconds=2400)


def run(
    tmp_path: Path, database: MariaDb, broker: RabbitMq, chance: random.Random, *, kills: int, desktops: int, seconds: float
) -> None:
    points = KillPoints(tmp_path / "points")
    points.lay_out(choose(chance, kills))
    settings = site_settings(tmp_path / "home", database, broker)
    prepare(settings)
    engine = sqlalchemy.create_engine(settings.database_url, pool_pre_ping=True)
    with (
        services(settings, passwords=QUICK_PASSWORDS) as made,
        site(settings, database, broker, tmp_path / "points", chance) as attacked,
    ):
        made.catalog.synchronize(made.accounts.default_organization_id())
        made.address_upkeep.round()
        people = People(
            made, made.accounts.add("chaos@school.local", PASSWORD, Role.ADMINISTRATOR).actor(), engine, chance, desktops
        )
        cloud = clouds.connect(settings)
        report = Report(attacked, people, points)
        print(f"{kills} kills at {len(all_points())} points, {desktops} desktops, {len(people.with_disk)} personal disks")
        attack(attacked, people, points, chance, seconds, report, cloud)
        during = people.ended()
        people.end_all()
        began = time.monotonic()
        eventually(lambda: settled(people, report), SETTLE_SECONDS + 2 * desktops, what=lambda: "\n".join(people.unended()))
        print(f"quiet {time.monotonic() - began:.0f} s after the faults stopped")
        print(table(points.taken()))
        print(f"ends of processes: {dict(attacked.keeper.deaths())}")
        assert not points.waiting(), f"not reached: {points.waiting()}"
        look_at_disks(people, cloud, engine)
        look_at_addresses(cloud, engine, attacked.cloud.calls.count("addresses.create"))
        look(people, cloud, during, engine)
        cloud.close()
        people.close()
    engine.dispose()


class Report:
    """How far it is, for whoever waits: a line now and then."""

    def __init__(self, attacked: Site, people: People, points: KillPoints) -> None:
        self._attacked = attacked
        self._people = people
        self._points = points
        self._began = self._last = time.monotonic()

    def say(self) -> None:
        """One, if it is time."""
        now = time.monotonic()
        if now - self._last < REPORT_SECONDS:
            return
        self._last = now
        lives = self._people.lives
        over, begun = sum(life.is_over for life in lives), sum(bool(life.desktop_id) for life in lives)
        killed, left = sum(self._points.taken().values()), sum(self._points.waiting().values())
        with contextlib.suppress(sqlalchemy.exc.DBAPIError):
            ended = len(self._people.ended())
            print(
                f"{now - self._began:5.0f} s: {killed} kills, {left} to come; {ended} operations ended;"
                f" {begun} desktops made, {over} of {len(lives)} gone",
                flush=True,
            )


def attack(
    attacked: Site, people: People, points: KillPoints, chance: random.Random, seconds: float, report: Report, cloud: Cloud
) -> None:
    """Everything goes wrong until all points are taken and every disturbance was there; then nothing does any more."""
    began = time.monotonic()
    end = began + seconds
    pool = ThreadPoolExecutor(1)
    disturbing = pool.submit(disturb, attacked, chance, end)
    next_weather = next_look = 0.0
    is_done = False
    while time.monotonic() < end and not is_done:
        people.go_on()
        report.say()
        now = time.monotonic()
        if now > next_weather:
            attacked.weather.blow()
            next_weather = now + chance.uniform(0.5, 2)
        if now > next_look:
            next_look = now + 5
            nobody_has_anothers_disk(people, cloud)
            if not points.waiting():
                is_done = attacked.give_back_what_killed_nobody(points) == 0 and not points.waiting() and disturbing.done()
        if all(life.is_over for life in people.lives):
            people.add(20)
        time.sleep(0.2)
    disturbing.result()
    pool.shutdown()
    attacked.weather.calm()
    attacked.keeper.turn_clock(0)
    print(f"faults for {time.monotonic() - began:.0f} s; weather: {dict(attacked.weather.kinds)}")


def disturb(attacked: Site, chance: random.Random, end: float) -> None:
    """Each disturbance once, in any order."""
    names = sorted(attacked.disturbances)
    chance.shuffle(names)
    for name in names:
        time.sleep(chance.uniform(0.5, 3))
        if time.monotonic() > end:
            return
        began = time.monotonic()
        attacked.disturbances[name]()
        print(f"{name} ({time.monotonic() - began:.1f} s)", flush=True)


def settled(people: People, report: Report) -> bool:
    """Whether everybody got all they wished for."""
    people.go_on()
    report.say()
    time.sleep(0.2)
    return all(life.is_over for life in people.lives)


def nobody_has_anothers_disk(people: People, cloud: Cloud) -> None:
    """Each server has one volume at the most, and that is its person's. A cloud that does not answer now is asked next time."""
    with contextlib.suppress(YunzhuoError):
        volumes = cloud.volumes.list()
        holders = Counter(volume.server_id for volume in volumes if volume.server_id)
        assert all(number == 1 for number in holders.values()), f"two disks at one server: {holders}"
        desktops = {server.id: server.desktop_id for server in cloud.servers.list()}
        disks = {life.desktop_id: life.person.disk_id for life in people.lives if life.desktop_id}
        for volume in volumes:
            # A desktop that was made this moment, whose answer is not here yet, is nobody's we know of.
            disk_id = disks.get(desktops.get(volume.server_id or "", ""), volume.disk_id)
            assert disk_id == volume.disk_id, f"another person's desktop has {volume}"


def look(people: People, cloud: Cloud, during: list[Ended], engine: sqlalchemy.Engine) -> None:
    """Count from outside: the cloud's own list, and the tables."""
    ended = people.ended()
    ended_during = {operation.id for operation in during}
    # What is cancelled here was replaced by a newer wish: a delete does not wait for a disk that is on its way.
    since = [operation for operation in ended if operation.id not in ended_during and operation.status != CANCELLED]
    for name, operations in (("while there were faults", during), ("since, not counting what a newer wish replaced", since)):
        failed = Counter((op.action, op.error_code, op.error_message) for op in operations if op.status != SUCCEEDED)
        print(f"{name}: {len(operations)} operations ended, not well: {sum(failed.values())} {dict(failed)}")
    print(f"wishes that got no answer: {people.unavailable}; let be: {dict(people.skipped)}")
    with engine.connect() as connection:
        active = connection.scalar(text("SELECT COUNT(*) FROM operations WHERE active_desktop_id IS NOT NULL"))
        rows = {row[0]: row[1] for row in connection.execute(text("SELECT id, deleted_at FROM desktops"))}
        known = {row[0]: row[1:] for row in connection.execute(text("SELECT id, action, arguments FROM operations"))}
    made = Counter(operation for life in people.lives for operation in life.made)
    assert active == 0, "stuck"
    assert len(rows) == len(people.lives) == len({life.desktop_id for life in people.lives}), "a wish was doubled or lost"
    assert made.keys() <= known.keys(), "an accepted operation is lost"
    # What nobody wished for: a disk that a change had been cut off from giving back is given back, and an address led again.
    unasked = [row for operation_id, row in known.items() if operation_id not in made]
    print(f"disks and addresses given back unasked: {len(unasked)}")
    given_again = ("connect_disk", "assign_address")
    assert all(action in given_again and "wanted_before" not in particulars for action, particulars in unasked), (
        f"an operation was doubled: {unasked}"
    )
    assert all(rows.values()), "a desktop outlived its deletion"
    eventually(
        lambda: not cloud.servers.list(), UPKEEP_SECONDS, what=lambda: f"servers that nobody owns: {cloud.servers.list()}"
    )
    well = sum(operation.status == SUCCEEDED for operation in since)
    assert well >= 0.99 * len(since), f"{len(since) - well} of {len(since)} operations failed after the faults had stopped"
    well = sum(operation.status == SUCCEEDED for operation in ended)
    print(f"succeeded: {well} of {len(ended)} ({100 * well / len(ended):.2f} %)")


def look_at_addresses(cloud: Cloud, engine: sqlalchemy.Engine, asked: int) -> None:
    """No desktop has one, none leads anywhere, the cloud has none that the table does not know, and no port is left."""
    query = text("SELECT id, cloud_id FROM addresses WHERE given_up_at IS NULL ORDER BY id")
    held = text("SELECT COUNT(*) FROM addresses WHERE desktop_id IS NOT NULL")

    def in_the_cloud() -> list[tuple[str, str, str | None]]:
        return sorted((ip.address_id, ip.id, ip.server_id) for ip in cloud.addresses.list())

    def in_the_table() -> list[tuple[str, str, str | None]]:
        with engine.connect() as connection:
            return [(address_id, cloud_id, None) for address_id, cloud_id in connection.execute(query)]

    def agree() -> bool:
        return in_the_cloud() == in_the_table()

    eventually(agree, UPKEEP_SECONDS, what=lambda: f"floating IPs: {in_the_cloud()} in the cloud, {in_the_table()} here")
    with engine.connect() as connection:
        assert connection.scalar(held) == 0, "a deleted desktop has an address"
    # What nobody needs any more goes back to the cloud, all of it.
    eventually(lambda: not in_the_cloud(), UPKEEP_SECONDS, what=lambda: f"floating IPs that stay: {in_the_cloud()}")
    eventually(lambda: not cloud.networks.ports(), UPKEEP_SECONDS, what=lambda: f"ports left: {cloud.networks.ports()}")
    print(f"floating IPs: asked for {asked} times, none left, none doubled; no port left")


def look_at_disks(people: People, cloud: Cloud, engine: sqlalchemy.Engine) -> None:
    """Everybody has the disk that they came with, and its snapshot; no desktop has any, and there are no others."""
    expected = sorted((person.disk_id, person.volume_id, None) for person in people.with_disk)
    query = text("SELECT id, volume_id, desktop_id FROM personal_disks WHERE leaving_desktop_id IS NULL ORDER BY id")

    def in_the_cloud() -> list[tuple[str, str, str | None]]:
        return sorted((volume.disk_id, volume.id, volume.server_id) for volume in cloud.volumes.list())

    def in_the_table() -> list[tuple[str, str, str | None]]:
        with engine.connect() as connection:
            return [(disk_id, volume_id, desktop_id) for disk_id, volume_id, desktop_id in connection.execute(query)]

    eventually(lambda: in_the_cloud() == expected, UPKEEP_SECONDS, what=lambda: f"disks: {in_the_cloud()}")
    eventually(lambda: in_the_table() == expected, UPKEEP_SECONDS, what=lambda: f"rows of disks: {in_the_table()}")
    for person in people.with_disk:
        assert len(cloud.volumes.snapshots(person.volume_id)) == 1
    print(f"{len(expected)} personal disks: none lost, none more, none left at a desktop")
