"""Claims on a real MariaDB: many people in two processes at the same moment, few spares, nobody on somebody's desktop."""

import multiprocessing
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support.installation import Installation, installation
from tests.support.mariadb import MariaDb
from tests.support.pools import make_pool, settle

from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.services.access import Role
from yunzhuo.services.assembly import services
from yunzhuo.services.rules.lifecycle import State
from yunzhuo.services.rules.pools import Counts

pytestmark = pytest.mark.servers
PROCESSES, PEOPLE, SPARES, AT_ONCE = 2, 48, 9, 8


def _claim_in_a_process(settings_text: str, pool_id: str, names: list[str], begin: Any, answers: Any) -> None:
    settings = Settings.model_validate_json(settings_text)
    with services(settings) as others:
        actors = [others.accounts.by_email(f"{name}@school.local").actor() for name in names]
        together = threading.Barrier(AT_ONCE)

        def ask(number: int) -> None:
            together.wait()
            for actor in actors[number::AT_ONCE]:
                try:
                    claimed = others.claims.claim(actor, pool_id)
                    answers.put((actor.user_id, claimed.desktop.id, claimed.way))
                except Exception as error:
                    answers.put((actor.user_id, None, getattr(error, "code", repr(error))))

        begin.wait()
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(ask, range(AT_ONCE)))


def claim_all(yunzhuo: Installation, pool_id: str, names: list[str]) -> list[tuple[str, str | None, str]]:
    """What everybody is answered, who ask in both processes at the same time."""
    context = multiprocessing.get_context("spawn")
    begin, answers = context.Barrier(PROCESSES), context.Queue()
    wish = (yunzhuo.settings.model_dump_json(), pool_id, names, begin, answers)
    running = [context.Process(target=_claim_in_a_process, args=wish) for _ in range(PROCESSES)]
    for process in running:
        process.start()
    told = [answers.get(timeout=120) for _ in range(PROCESSES * len(names))]
    for process in running:
        process.join(60)
    return told


def test_never_two_people_on_one_desktop_never_two_desktops_for_one(mariadb: MariaDb, tmp_path: Path) -> None:
    database = {"url": mariadb.make_database(), "pool_size": AT_ONCE}
    with installation(tmp_path / "home", database=database) as yunzhuo:
        boss = yunzhuo.person("boss", Role.ADMINISTRATOR)
        names = [f"p{number}" for number in range(PEOPLE)]
        people = [yunzhuo.person(name) for name in names]
        pool_id = make_pool(yunzhuo, boss, members=people, capacity=SPARES, spares=SPARES)
        settle(yunzhuo)
        assert yunzhuo.services.pools.get(boss, pool_id).counts == Counts(ready=SPARES)
        told = claim_all(yunzhuo, pool_id, names)
        given = {(user, desktop) for user, desktop, _ in told if desktop is not None}
        assert len(given) == SPARES
        assert max(Counter(user for user, _ in given).values()) == 1
        assert max(Counter(desktop for _, desktop in given).values()) == 1
        assert {how for _, desktop, how in told if desktop is None} == {"pool_full"}
        owners = {user: yunzhuo.services.desktops.list(person).items for user, person in zip(names, people, strict=True)}
        assert sum(len(found) for found in owners.values()) == SPARES
        assert all(one.state is State.AVAILABLE for found in owners.values() for one in found)


def test_those_who_come_before_the_spares_share_what_there_is_room_for(mariadb: MariaDb, tmp_path: Path) -> None:
    database = {"url": mariadb.make_database(), "pool_size": AT_ONCE}
    with installation(tmp_path / "home", database=database) as yunzhuo:
        boss = yunzhuo.person("boss", Role.ADMINISTRATOR)
        names = [f"p{number}" for number in range(PEOPLE)]
        people = [yunzhuo.person(name) for name in names]
        pool_id = make_pool(yunzhuo, boss, members=people, capacity=SPARES + 5, spares=SPARES)
        yunzhuo.services.pool_keeper.round()  # they are being built, and 5 more are built for whoever asks
        told = claim_all(yunzhuo, pool_id, names)
        given = {(user, desktop) for user, desktop, _ in told if desktop is not None}
        assert len(given) == len({desktop for _, desktop in given}) == len({user for user, _ in given}) == SPARES + 5
        assert Counter(how for _, desktop, how in told if desktop is not None and how != "had") == {
            "coming": SPARES,
            "built": 5,
        }
        settle(yunzhuo)
        assert yunzhuo.services.pools.get(boss, pool_id).counts == Counts(in_use=SPARES + 5)


def _tend_in_a_process(settings_text: str, begin: Any) -> None:
    with services(Settings.model_validate_json(settings_text)) as others:
        begin.wait()
        for _ in range(5):
            others.pool_keeper.round()


def test_several_schedulers_build_no_more_than_is_wanted(mariadb: MariaDb, tmp_path: Path) -> None:
    with installation(tmp_path / "home", database={"url": mariadb.make_database(), "pool_size": 2}) as yunzhuo:
        boss = yunzhuo.person("boss", Role.ADMINISTRATOR)
        pool_id = make_pool(yunzhuo, boss, capacity=12, spares=SPARES)
        context = multiprocessing.get_context("spawn")
        begin = context.Barrier(PROCESSES + 1)
        text = yunzhuo.settings.model_dump_json()
        running = [context.Process(target=_tend_in_a_process, args=(text, begin)) for _ in range(PROCESSES + 1)]
        for process in running:
            process.start()
        for process in running:
            process.join(60)
            assert process.exitcode == 0
        assert yunzhuo.services.pools.get(boss, pool_id).counts == Counts(coming=SPARES)
