"""A day at a floating pool: a crowd comes and goes, and things are killed.

First the machine of one of them, then a spare's, then the host process; tests/support/pool_people.py judges what they find.
Counted from outside: what the pool says of itself a few times a second, who had which desktop, how long each waited from the
click. How long anybody waits depends on what else the computer does, which is printed, too.
"""

import asyncio
import contextlib
import math
import os
import random
import secrets
import signal
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import httpx
from playwright.async_api import async_playwright
from sqlalchemy import create_engine, text
from tests.support.chromium import launch_options
from tests.support.pool_people import Crowd, Hands, Person, Visit
from tests.support.running import PASSWORD, Running
from tests.support.waiting import eventually

from yunzhuo.services.access import Role, installation
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.pools import PoolWish
from yunzhuo.services.rules.pools import Way

PEOPLE = int(os.environ.get("YUNZHUO_TEST_PEOPLE") or 12)
MINUTES = float(os.environ.get("YUNZHUO_TEST_MINUTES") or 10)
LONGEST_WAIT_SECONDS = 5.0
_LOOK_SECONDS, _RECENT_SECONDS = 0.4, 3.0


@dataclass(frozen=True)
class Place:
    """Where the day is: a Yunzhuo, the processes of its machines by desktop, what kills the host process (and brings it back
    where nothing else does), and how people work there.

    ``has_room``: there are desktops enough for everybody to get one in the time."""

    yunzhuo: Running
    hands: Hands
    machines: Callable[[], Mapping[str, int]]
    kill_host: Callable[[], Awaitable[None]]
    patience_seconds: float = 120
    look_again_seconds: tuple[float, float] = (1, 3)
    first_seconds: tuple[float, float] = (0, 30)
    away_seconds: tuple[float, float] = (15, 50)
    has_room: bool = True


@dataclass
class Pool:
    """The pool, and what its own page said of it and when: ``looks`` are moments (``time.monotonic``) and counts."""

    id: str
    name: str
    emails: Sequence[str]
    capacity: int
    spares: int
    looks: list[tuple[float, dict[str, int]]] = field(default_factory=list)

    async def follow(self, yunzhuo: Running, email: str) -> None:
        """Look at the pool until cancelled."""
        headers = dict(yunzhuo.api(email).headers)
        async with httpx.AsyncClient(base_url=f"{yunzhuo.url}/api/v1", headers=headers, timeout=30) as api:
            while True:
                answer = (await api.get(f"pools/{self.id}")).raise_for_status()
                counts = answer.json()["counts"]
                assert sum(counts.values()) <= self.capacity, counts
                self.looks.append((time.monotonic(), counts))
                await asyncio.sleep(_LOOK_SECONDS)

    def had_one_for(self, visit: Visit, crowd: Crowd) -> bool:
        """Whether a spare stood ready for this person: at the last look before their click there were more of them than were
        taken by others, or killed, from then until their page was there."""
        before = [(at, counts["ready"]) for at, counts in self.looks if at <= visit.clicked_at]
        if not before or visit.clicked_at - before[-1][0] > _RECENT_SECONDS:
            return False
        looked_at, ready = before[-1]
        taken = sum(
            other is not visit and other.clicked_at <= visit.page_at and other.page_at >= looked_at - _RECENT_SECONDS
            for other in crowd.visits
        )
        killed = sum(looked_at - _RECENT_SECONDS <= at <= visit.page_at for at in crowd.killed.values())
        return ready > taken + killed


@contextlib.contextmanager
def open_pool(place: Place, *, capacity: int, spares: int) -> Iterator[Pool]:
    """A pool whose spares stand ready, of people with a personal disk each; nothing of it is left afterwards."""
    with services(place.yunzhuo.settings()) as all_services:
        chief = installation(all_services.accounts.default_organization_id())
        image, flavor = all_services.catalog.images(chief)[0].id, all_services.catalog.flavors(chief)[0].id
        name = f"Room {secrets.token_hex(2)}"
        made = all_services.pools.create(chief, PoolWish(name, image, flavor, capacity=capacity, spares=spares))
        emails = [_member(all_services, made.id) for _ in range(PEOPLE)]
        pool = Pool(made.id, name, emails, capacity, spares)
        try:
            eventually(
                lambda: all_services.pools.get(chief, pool.id).counts.ready == spares,
                place.patience_seconds,
                what="spares that are ready",
            )
            yield pool
        finally:  # or spares would be built for as long as Yunzhuo runs
            all_services.pools.delete(chief, pool.id)


def _member(all_services: Services, pool_id: str) -> str:
    user = all_services.accounts.add(f"people-{secrets.token_hex(4)}@school.local", PASSWORD, Role.USER)
    all_services.pools.put_member(installation(user.organization_id), pool_id, user.id)
    all_services.personal_disks.create(user.actor(client_address="127.0.0.1"))
    return user.email


def spend(place: Place, pool: Pool) -> Crowd:
    """The day, and all that has to be true of it afterwards. Its seed is printed; ``YUNZHUO_TEST_SEED`` chooses one."""
    seed = int(os.environ.get("YUNZHUO_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"YUNZHUO_TEST_SEED={seed}: {PEOPLE} people, {pool.capacity} desktops, {pool.spares} spares, {MINUTES:g} minutes")
    crowd = asyncio.run(_a_day(place, pool, seed))
    ways = ways_of(place.yunzhuo, pool)
    with_a_spare = [visit for visit in crowd.visits if pool.had_one_for(visit, crowd)]
    assert with_a_spare, "nobody found a spare, so nothing is shown about it"
    for visit in with_a_spare:
        assert ways[visit.desktop_id] is Way.READY, "built for somebody while a spare stood ready"
    ready_at = ready_moments(place.yunzhuo, pool)
    for visit in crowd.visits:
        if ways[visit.desktop_id] is Way.READY:
            waited = visit.waited_seconds(ready_at[visit.desktop_id])
            assert waited <= LONGEST_WAIT_SECONDS, (waited, visit)
    assert len(crowd.killed) == 2
    _look_at_screens(place.yunzhuo, crowd)
    _look_at_rest(place, pool)
    if place.has_room:
        assert {visit.email for visit in crowd.visits} == set(pool.emails), "somebody never got a desktop"
    return crowd


async def _a_day(place: Place, pool: Pool, seed: int) -> Crowd:
    """All people come and go until the time is over; whatever goes wrong for one of them ends it."""
    yunzhuo = place.yunzhuo
    with contextlib.ExitStack() as leaving:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(**launch_options())
            crowd = Crowd(
                yunzhuo=yunzhuo,
                hands=place.hands,
                browser=browser,
                pool_name=pool.name,
                ends_at=time.monotonic() + MINUTES * 60,
                seed=seed,
                patience_seconds=place.patience_seconds,
                look_again_seconds=place.look_again_seconds,
                first_seconds=place.first_seconds,
                away_seconds=place.away_seconds,
            )
            leaving.callback(lambda: tell(crowd, pool, ways_of(yunzhuo, pool)))
            boss = yunzhuo.add_user(f"boss-{pool.id}@school.local", "administrator")
            looking = asyncio.create_task(pool.follow(yunzhuo, boss))
            async with asyncio.TaskGroup() as living:
                for email in pool.emails:
                    living.create_task(Person(crowd, email).live())
                living.create_task(_misfortunes(place, crowd))
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking
            await browser.close()
    return crowd


async def _misfortunes(place: Place, crowd: Crowd) -> None:
    """A machine that somebody works with, one that is nobody's, and the host process: each is killed, a quarter of the time
    apart, or when there is one at last."""
    chance = random.Random(crowd.seed)
    quarter = MINUTES * 60 / 4
    await _until(crowd.ends_at - 3 * quarter)
    await _kill_machine(place, crowd, chance, lambda desktop_id: desktop_id in crowd.at_work, "a machine in use")
    await _until(crowd.ends_at - 2 * quarter)
    await _kill_machine(place, crowd, chance, lambda desktop_id: desktop_id not in crowd.holders, "a spare's machine")
    await _until(crowd.ends_at - quarter)
    print(f"the host process is killed; {len(crowd.at_work)} at work")
    await place.kill_host()


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


async def _kill_machine(place: Place, crowd: Crowd, chance: random.Random, is_meant: Callable[[str], bool], what: str) -> None:
    """Kill the QEMU of a desktop by chance, as soon as there is one that is meant."""
    while True:
        machines = await asyncio.to_thread(place.machines)
        chosen = sorted(filter(is_meant, machines))
        if chosen:
            desktop_id = chance.choice(chosen)
            crowd.killed[desktop_id] = time.monotonic()
            os.kill(machines[desktop_id], signal.SIGKILL)
            print(f"{what} was killed: {desktop_id}, of {crowd.holders.get(desktop_id, 'nobody')}")
            return
        await asyncio.sleep(0.3)


def ways_of(yunzhuo: Running, pool: Pool) -> dict[str, Way]:
    """How each desktop was come by, as the audit log has it."""
    asked = text(
        "SELECT desktops.id, json_extract(audit_entries.after, '$.way') FROM audit_entries"
        " JOIN desktops ON desktops.name = json_extract(audit_entries.after, '$.desktop') AND desktops.pool_id = :pool"
        " WHERE audit_entries.verb = 'pool:claim' AND audit_entries.object_id = :pool AND audit_entries.after IS NOT NULL"
    )
    return {desktop_id: Way(way) for desktop_id, way in rows(yunzhuo, asked, pool=pool.id)}


def ready_moments(yunzhuo: Running, pool: Pool) -> dict[str, float]:
    """When each desktop was ready for whoever gets it (``time.monotonic``)."""
    asked = text(
        "SELECT o.desktop_id, CAST((julianday(o.ended_at) - 2440587.5) * 86400 AS TEXT) FROM operations o"
        " JOIN desktops d ON d.id = o.desktop_id WHERE d.pool_id = :pool AND o.action = 'create' AND o.status = 'succeeded'"
    )
    began = time.time() - time.monotonic()
    return {desktop_id: float(ended_at) - began for desktop_id, ended_at in rows(yunzhuo, asked, pool=pool.id)}


def rows(yunzhuo: Running, statement: object, **values: object) -> list[tuple[str, str]]:
    engine = create_engine(yunzhuo.settings().database_url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(statement, values)]  # type: ignore[call-overload]
    finally:
        engine.dispose()


def tell(crowd: Crowd, pool: Pool, ways: dict[str, Way]) -> None:
    """The figures, whatever they are, and however the day ended."""
    print(f"{len(crowd.visits)} visits; {dict(crowd.tally)}")
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"load average {load}; visits of each: {sorted(count_by_person(crowd.visits, pool.emails))}")
    for way in Way:
        visits = [visit for visit in crowd.visits if ways.get(visit.desktop_id) is way]
        if visits:
            page = [visit.page_seconds for visit in visits]
            picture = [visit.picture_seconds for visit in visits if visit.picture_seconds is not None]
            files = [visit.files_seconds for visit in visits if visit.files_seconds is not None]
            print(f"{way}: {len(visits)} visits; click to page {spread(page)}")
            print(f"  click to picture {spread(picture)}; click to personal files {spread(files)}")
    for name, seconds in sorted(_steps_of(crowd.yunzhuo, pool).items()):
        print(f"  step {name}: {len(seconds)} times, {spread(seconds)}")
    ready_at = ready_moments(crowd.yunzhuo, pool)
    waits = [each.waited_seconds(ready_at[each.desktop_id]) for each in crowd.visits if ways.get(each.desktop_id) is Way.READY]
    print(f"waited while their spare was there, {len(waits)} of them: {spread(waits)}")
    standing = [visit for visit in crowd.visits if pool.had_one_for(visit, crowd)]
    if standing:
        print(f"a spare stood ready for {len(standing)}: click to page {spread([visit.page_seconds for visit in standing])}")


def _steps_of(yunzhuo: Running, pool: Pool) -> dict[str, list[float]]:
    """How long the steps of the changes of the pool's desktops took, seconds."""
    seconds = "CAST((julianday(s.ended_at) - julianday(s.started_at)) * 86400 AS TEXT)"
    asked = text(
        f"SELECT o.action || ' ' || s.name, {seconds} FROM operation_steps s JOIN operations o ON o.id = s.operation_id"
        " JOIN desktops d ON d.id = o.desktop_id WHERE d.pool_id = :pool AND s.ended_at IS NOT NULL"
    )
    found: dict[str, list[float]] = {}
    for name, took in rows(yunzhuo, asked, pool=pool.id):
        found.setdefault(name, []).append(float(took))
    return found


def count_by_person(visits: Sequence[Visit], emails: Sequence[str]) -> list[int]:
    return [sum(visit.email == email for visit in visits) for email in emails]


def spread(seconds: Sequence[float]) -> str:
    """Median, 95 %, most."""
    if not seconds:
        return "never"
    ordered = sorted(seconds)
    nearly_all = ordered[math.ceil(0.95 * len(ordered)) - 1]
    return f"{statistics.median(ordered):.2f} s, 95 % {nearly_all:.2f} s, most {ordered[-1]:.2f} s"


def _look_at_screens(yunzhuo: Running, crowd: Crowd) -> None:
    """No screen was ever shown to somebody else than whose desktop it was."""
    asked = text("SELECT DISTINCT s.desktop_id, u.email FROM console_sessions s JOIN users u ON u.id = s.user_id")
    shown = [(desktop_id, email) for desktop_id, email in rows(yunzhuo, asked) if desktop_id in crowd.holders]
    assert len(shown) >= len(crowd.visits) - len(crowd.killed)
    assert all(crowd.holders[desktop_id] == email for desktop_id, email in shown)


def _look_at_rest(place: Place, pool: Pool) -> None:
    """Everybody has left: spares stand ready, each is one machine, nothing else is there, and all disks are free."""
    with services(place.yunzhuo.settings()) as all_services:
        chief = installation(all_services.accounts.default_organization_id())

        def counts() -> dict[str, int]:
            found = all_services.pools.get(chief, pool.id).counts
            return {name: getattr(found, name) for name in ("ready", "coming", "in_use", "leaving", "broken", "lost")}

        at_rest = {"ready": pool.spares, "coming": 0, "in_use": 0, "leaving": 0, "broken": 0, "lost": 0}
        eventually(lambda: counts() == at_rest, place.patience_seconds, what=lambda: str(counts()))
        eventually(lambda: len(place.machines()) == pool.spares, 30, what=lambda: str(place.machines()))
        for email in pool.emails:
            person = all_services.accounts.by_email(email).actor(client_address="127.0.0.1")
            disk = all_services.personal_disks.get(person)
            assert disk.desktop is None, email
