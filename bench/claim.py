"""How long it takes to be given a desktop that stands ready: MariaDB, two processes, spares on the memory cloud.

``python bench/claim.py [--people N] [--steady N] [--seconds S] [--json]``. First ``--people`` claim at the same moment (the
bell rings), then ``--steady`` come over ``--seconds`` (a morning), each at their own time. A claim is the service's whole one:
rights, the statement that gives the spare, audit entry, event, the answer; nothing is built meanwhile. Beside it, in the same
run and by turns, the bare statement with its commit: what the database alone takes. Afterwards the table is read from outside:
``doubles`` counts desktops that were given to more than one, people who were given more than one, and what the table says
otherwise. ``cpu_ms_per_claim`` is what a claim costs its web process, on a busy computer, too. With ``--json`` the last line is
one JSON object.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.installation import PASSWORD, QUICK_PASSWORDS  # noqa: E402 (the path has to be set first)
from tests.support.mariadb import MariaDb  # noqa: E402

from yunzhuo.phoenix.cloud.memory import control  # noqa: E402
from yunzhuo.phoenix.cloud.memory.options import HostOption  # noqa: E402
from yunzhuo.phoenix.common.clock import SystemClock  # noqa: E402
from yunzhuo.phoenix.common.ids import new_id  # noqa: E402
from yunzhuo.phoenix.common.logging import configure  # noqa: E402
from yunzhuo.phoenix.config.settings import Settings  # noqa: E402
from yunzhuo.phoenix.db.models import Desktop, GroupMember, Pool, User  # noqa: E402
from yunzhuo.phoenix.db.session import Database  # noqa: E402
from yunzhuo.services import pool_seats  # noqa: E402
from yunzhuo.services.access import Actor, Role  # noqa: E402
from yunzhuo.services.assembly import Services, services  # noqa: E402
from yunzhuo.services.first_start import prepare  # noqa: E402
from yunzhuo.services.pools import PoolWish  # noqa: E402
from yunzhuo.services.rules.pools import Way  # noqa: E402

PROCESSES = 2
THREADS = 8
BUILDERS = 4
ROOM_FOR_ALL = (HostOption(id="host-1", name="memory-1", vcpus=10**6, memory_mib=10**9, disk_mib=10**9),)


@dataclass(frozen=True)
class Told:
    """One claim: who, when it was due and over (seconds of one clock), which desktop, and how it was come by."""

    user_id: str
    due: float
    ended: float
    desktop_id: str | None
    how: str

    @property
    def seconds(self) -> float:
        """From when it was due: waiting for a free thread counts."""
        return self.ended - self.due


def claim_in_a_process(settings_text: str, pool_id: str, share: Sequence[tuple[str, float]], begin: Any, answers: Any) -> None:
    """Claim for each of a share of the people at their time, in threads as web has them."""
    settings = Settings.model_validate_json(settings_text)
    with services(settings, passwords=QUICK_PASSWORDS) as ours:
        actors = {email: ours.accounts.by_email(email).actor() for email, _ in share}
        ours.claims.mine(next(iter(actors.values())))  # connections and mappers are there, as in a server that runs
        begin.wait()
        start, told, cpu = time.monotonic(), list[Told](), time.process_time()
        lock, next_one = threading.Lock(), iter(share)

        def work(_number: int) -> None:
            while True:
                with lock:
                    email, after = next(next_one, (None, 0.0))
                if email is None:
                    return
                time.sleep(max(0.0, start + after - time.monotonic()))
                told.append(_claim(ours, actors[email], pool_id, start + after))

        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(work, range(THREADS)))
        answers.put((told, time.process_time() - cpu))


def _claim(ours: Services, actor: Actor, pool_id: str, due: float) -> Told:
    try:
        claimed = ours.claims.claim(actor, pool_id)
    except Exception as error:
        return Told(actor.user_id, due, time.monotonic(), None, getattr(error, "code", repr(error)))
    return Told(actor.user_id, due, time.monotonic(), claimed.desktop.id, claimed.way)


def claim_all(settings: Settings, pool_id: str, people: Sequence[tuple[str, float]]) -> tuple[list[Told], float]:
    """Everybody claims at their time, in all processes together; with the seconds of CPU that these took."""
    context = multiprocessing.get_context("spawn")
    begin, answers = context.Barrier(PROCESSES), context.Queue()
    running = [
        context.Process(
            target=claim_in_a_process, args=(settings.model_dump_json(), pool_id, people[number::PROCESSES], begin, answers)
        )
        for number in range(PROCESSES)
    ]
    for process in running:
        process.start()
    told, cpu = list[Told](), 0.0
    for _ in running:
        theirs, seconds = answers.get(timeout=600)
        told, cpu = [*told, *theirs], cpu + seconds
    for process in running:
        process.join(60)
    return told, cpu


@dataclass(frozen=True)
class Site:
    """An installation on MariaDB whose cloud has room for all."""

    settings: Settings
    services: Services
    boss: Actor
    db: Database

    def pool_for(self, name: str, size: int) -> tuple[str, list[str]]:
        """A pool with a spare for each of so many people, all ready; answers its id and their addresses."""
        organization_id, now = self.boss.organization_id, datetime.now(UTC)
        group = self.services.groups.create(self.boss, name)
        ids, emails = [new_id() for _ in range(size)], [f"{name}{number}@school.local" for number in range(size)]
        same = {"organization_id": organization_id, "role": "user", "password_hash": "", "must_change_password": False}
        people = [
            {"id": user_id, "email": email, "created_at": now, **same} for user_id, email in zip(ids, emails, strict=True)
        ]
        with self.db.transaction() as tx:
            tx.execute(insert(User), people)
            tx.execute(insert(GroupMember), [{"group_id": group.id, "user_id": each, "is_owner": False} for each in ids])
        image, flavor = self.services.catalog.images(self.boss)[0], self.services.catalog.flavors(self.boss)[0]
        pool = self.services.pools.create(self.boss, PoolWish(name, image.id, flavor.id, capacity=size, spares=size))
        self.services.pools.put_member(self.boss, pool.id, group.id)
        self._build(pool.id, size)
        return pool.id, emails

    def _build(self, pool_id: str, size: int) -> None:
        with ThreadPoolExecutor(BUILDERS) as threads:
            while self.services.pools.get(self.boss, pool_id).counts.ready < size:
                self.services.pool_keeper.round()
                self.services.admission.round()
                list(threads.map(self.services.engine.advance, self.services.engine.due()))

    def doubles(self, told: Sequence[Told]) -> int:
        """Desktops told to several people, people told of several, and what the table says otherwise."""
        given = {(each.user_id, each.desktop_id) for each in told if each.desktop_id is not None}
        several = sum(count - 1 for side in (0, 1) for count in Counter(pair[side] for pair in given).values())
        with self.db.reading() as tx:
            owners = {
                (row[0], row[1])
                for row in tx.execute(select(Desktop.owner_id, Desktop.id).where(Desktop.claimant_id.is_not(None)))
            }
        return several + len(given - owners)

    def take_back(self, pool_id: str) -> None:
        """As if nobody had claimed: for the comparison with the bare statement, which needs spares, too."""
        with self.db.transaction() as tx:
            account = tx.scalars(select(Pool.account_id).where(Pool.id == pool_id)).one()
            there = update(Desktop).where(Desktop.pool_id == pool_id)
            tx.execute(there.values(claimant_id=None, claimed_at=None, owner_id=account))

    def one_by_one(self, pool_id: str, emails: Sequence[str]) -> tuple[list[float], list[float]]:
        """Seconds of claims by the service, and of the bare statement with its commit, by turns, one after another."""
        actors = [self.services.accounts.by_email(email).actor() for email in emails]
        with self.db.reading() as tx:
            pool = tx.get_one(Pool, pool_id)
        ours, bare = list[float](), list[float]()
        for number, actor in enumerate(actors):
            began = time.monotonic()
            if number % 2:
                with self.db.transaction() as tx:
                    pool_seats.give(tx, pool, actor.user_id, Way.READY, datetime.now(UTC))
                bare.append(time.monotonic() - began)
            else:
                self.services.claims.claim(actor, pool_id)
                ours.append(time.monotonic() - began)
        return ours, bare


@contextmanager
def running(home: Path, mariadb: MariaDb) -> Iterator[Site]:
    """The site; its background is done in this process, and only before anything is measured."""
    settings = Settings.model_validate(
        {
            "home": home,
            "database": {"url": mariadb.make_database(), "pool_size": THREADS},
            "cloud": {"driver": "memory"},
            "admission": dict.fromkeys(("builds_per_cloud", "builds_per_host", "builds_per_organization"), 0),
            "log": {"level": "warning"},
        }
    )
    prepare(settings)
    weather = control(settings, clock=SystemClock())
    weather.change_options(hosts=ROOM_FOR_ALL)
    db = Database(settings.database_url)
    with services(settings, passwords=QUICK_PASSWORDS) as ours:
        ours.catalog.synchronize(ours.accounts.default_organization_id())
        boss = ours.accounts.add("boss@school.local", PASSWORD, Role.ADMINISTRATOR).actor()
        yield Site(settings, ours, boss, db)
    db.close()
    weather.close()


def measure(folder: Path, people: int, steady: int, seconds: float) -> dict[str, float]:
    """The bell, the morning, and one by one."""
    mariadb = MariaDb(flush=1)
    try:
        with running(folder / "site", mariadb) as site:
            bell_pool, bell_people = site.pool_for("bell", people)
            bell, _ = claim_all(site.settings, bell_pool, [(email, 0.0) for email in bell_people])
            bell_seconds = max(each.ended for each in bell) - min(each.due for each in bell)
            print(f"the bell: {people} people in {bell_seconds:.2f} s", flush=True)
            pool, emails = site.pool_for("morning", steady)
            times = [(email, seconds * n / steady) for n, email in enumerate(emails)]
            morning, cpu = claim_all(site.settings, pool, times)
            took = sorted(each.seconds for each in morning)
            print(f"the morning: {steady} people in {seconds:.0f} s, 95 % within {_p95(took):.3f} s", flush=True)
            doubles = site.doubles([*bell, *morning])
            ways = Counter(each.how for each in [*bell, *morning])
            site.take_back(bell_pool)
            ours, bare = site.one_by_one(bell_pool, bell_people)
    finally:
        mariadb.close()
    print(f"how they came to it: {dict(ways)}; doubles: {doubles}")
    return {
        "people_at_once": people,
        "at_once_seconds": bell_seconds,
        "claims_per_second": people / bell_seconds,
        "people": steady,
        "over_seconds": seconds,
        "claim_seconds_median": statistics.median(took),
        "claim_seconds_p95": _p95(took),
        "claim_seconds_most": took[-1],
        "cpu_ms_per_claim": 1000 * cpu / steady,
        "found_ready": ways[Way.READY],
        "doubles": doubles,
        "alone_claim_seconds_median": statistics.median(ours),
        "bare_claim_seconds_median": statistics.median(bare),
        "times_the_bare_claim": statistics.median(a / b for a, b in zip(ours, bare, strict=False)),
        "load_average": os.getloadavg()[0],
    }


def _p95(took: Sequence[float]) -> float:
    return sorted(took)[min(len(took) - 1, int(0.95 * len(took)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=200, help="how many claim at the same moment")
    parser.add_argument("--steady", type=int, default=2000, help="how many come one after another")
    parser.add_argument("--seconds", type=float, default=60.0, help="over how many seconds they come")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    asked = parser.parse_args()
    configure("bench", level="warning", style="console")
    with tempfile.TemporaryDirectory(prefix="yunzhuo-claim-") as folder:
        figures = measure(Path(folder), asked.people, asked.steady, asked.seconds)
    for name, value in figures.items():
        print(f"{name:28} {value:.4g}")
    if asked.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
