"""Workers are killed before, inside and after the steps of every operation, while everything around them fails, too.

Counted from outside: nothing is stuck, left behind, doubled or lost; and once the faults stop, all goes well by itself. The
seed is printed; ``YUNZHUO_TEST_SEED`` repeats a run (as far as processes repeat anything).
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import text

from tests.chaos.kill_points import KillPoints, all_points, choose, table
from tests.chaos.lives import SUCCEEDED, Ended, People
from tests.chaos.site import Site, site, site_settings
from tests.support.installation import PASSWORD, QUICK_PASSWORDS
from tests.support.mariadb import MariaDb
from tests.support.rabbitmq import RabbitMq
from tests.support.waiting import eventually
from yunzhuo.phoenix import cloud as clouds
from yunzhuo.services.access import Role
from yunzhuo.services.assembly import prepare, services

pytestmark = pytest.mark.servers
SETTLE_SECONDS = 120.0


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("YUNZHUO_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.fixture
def database() -> Iterator[MariaDb]:
    """One of its own: it is killed, and its disk gets full."""
    server = MariaDb(flush=2, space_mib=96)
    yield server
    server.close()


@pytest.mark.timeout(600)
def test_sixty_kills(tmp_path: Path, database: MariaDb, rabbitmq: RabbitMq, chance: random.Random) -> None:
    run(tmp_path, database, rabbitmq, chance, kills=60, desktops=40, seconds=240)


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
        people = People(
            made, made.accounts.add("chaos@school.local", PASSWORD, Role.ADMINISTRATOR).actor(), engine, chance, desktops
        )
        attack(attacked, people, points, chance, seconds)
        during = people.ended()
        people.end_all()
        began = time.monotonic()
        eventually(lambda: settled(people), SETTLE_SECONDS + desktops, what=lambda: "\n".join(people.unended()))
        print(f"quiet {time.monotonic() - began:.0f} s after the faults stopped")
        look(attacked, people, during, engine)
        print(table(points.taken()))
        print(f"ends of processes: {dict(attacked.keeper.deaths())}")
        assert not points.waiting(), f"not reached: {points.waiting()}"
    engine.dispose()


def attack(attacked: Site, people: People, points: KillPoints, chance: random.Random, seconds: float) -> None:
    """Everything goes wrong until all points are taken and every disturbance was there; then nothing does any more."""
    end = time.monotonic() + seconds
    pool = ThreadPoolExecutor(1)
    disturbing = pool.submit(disturb, attacked, chance, end)
    next_weather = 0.0
    while time.monotonic() < end and not (disturbing.done() and not points.waiting()):
        people.go_on()
        if time.monotonic() > next_weather:
            attacked.weather.blow()
            next_weather = time.monotonic() + chance.uniform(0.5, 2)
        if not points.waiting():
            attacked.give_back_what_killed_nobody(points)
        if all(life.is_over for life in people.lives):
            people.add(20)
        time.sleep(0.05)
    disturbing.result()
    pool.shutdown()
    attacked.weather.calm()
    attacked.keeper.turn_clock(0)
    print(f"faults for {seconds - (end - time.monotonic()):.0f} s; weather: {dict(attacked.weather.kinds)}")


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
        print(f"{name} ({time.monotonic() - began:.1f} s)")


def settled(people: People) -> bool:
    """Whether everybody got all they wished for."""
    people.go_on()
    time.sleep(0.05)
    return all(life.is_over for life in people.lives)


def look(attacked: Site, people: People, during: list[Ended], engine: sqlalchemy.Engine) -> None:
    """Count from outside: the cloud's own list, and the tables."""
    ended = people.ended()
    ended_during = {operation.id for operation in during}
    since = [operation for operation in ended if operation.id not in ended_during]
    for name, operations in (("while there were faults", during), ("since", since)):
        failed = Counter((op.action, op.error_code) for op in operations if op.status != SUCCEEDED)
        print(f"{name}: {len(operations)} operations ended, not well: {sum(failed.values())} {dict(failed)}")
    print(f"wishes that got no answer: {people.unavailable}; let be: {dict(people.skipped)}")
    with engine.connect() as connection:
        active = connection.scalar(text("SELECT COUNT(*) FROM operations WHERE active_desktop_id IS NOT NULL"))
        rows = {row[0]: row[1] for row in connection.execute(text("SELECT id, deleted_at FROM desktops"))}
        per_desktop = text("SELECT desktop_id, COUNT(*) FROM operations GROUP BY desktop_id")
        counted = {row[0]: row[1] for row in connection.execute(per_desktop)}
        known = set(connection.scalars(text("SELECT id FROM operations")))
    assert active == 0, "stuck"
    assert len(rows) == len(people.lives) == len({life.desktop_id for life in people.lives}), "a wish was doubled or lost"
    assert {operation for life in people.lives for operation in life.made} <= known, "an accepted operation is lost"
    assert {life.desktop_id: len(life.made) for life in people.lives} == counted, "an operation was doubled"
    assert all(rows.values()), "a desktop outlived its deletion"
    cloud = clouds.connect(attacked.settings)
    eventually(lambda: not cloud.servers.list(), 30, what=lambda: f"servers that nobody owns: {cloud.servers.list()}")
    cloud.close()
    well = sum(operation.status == SUCCEEDED for operation in since)
    assert well >= 0.99 * len(since), f"{len(since) - well} of {len(since)} operations failed after the faults had stopped"
    well = sum(operation.status == SUCCEEDED for operation in ended)
    print(f"succeeded: {well} of {len(ended)} ({100 * well / len(ended):.2f} %)")
