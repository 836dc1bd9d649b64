"""Fifty at the same moment, in threads and in processes: the database lets one through."""

import multiprocessing
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import services
from yunzhuo.services.rules.lifecycle import OperationStatus

# Long stories, each on an installation of its own.
pytestmark = pytest.mark.slow

AT_ONCE = 50


def all_at_once(ask: Callable[[int], str]) -> Counter[str]:
    """What fifty threads are answered that begin together."""
    together = threading.Barrier(AT_ONCE)

    def asked(number: int) -> str:
        together.wait()
        try:
            return ask(number)
        except Exception as error:
            return getattr(error, "code", repr(error))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(pool.map(asked, range(AT_ONCE)))


def test_the_last_free_place_is_one_desktops(tmp_path: Path) -> None:
    with installation(tmp_path / "home", limits={"desktops_per_user": 3}) as yunzhuo:
        lin = yunzhuo.person("lin")
        for _ in range(2):
            yunzhuo.request(lin)
        answers = all_at_once(lambda _: yunzhuo.request(lin).operation.action)
        assert answers == {"create": 1, "desktop_limit_reached": AT_ONCE - 1}
        assert len(yunzhuo.services.desktops.list(lin).items) == 3


def test_one_key_is_one_desktop(yunzhuo: Installation, lin: Actor) -> None:
    answers = all_at_once(lambda _: yunzhuo.request(lin, idempotency_key="lesson").desktop.id)
    ((_, count),) = answers.items()
    assert count == AT_ONCE
    assert len(yunzhuo.services.desktops.list(lin).items) == 1
    yunzhuo.run()
    assert len(yunzhuo.cloud.servers.list()) == 1


def test_no_more_are_let_in_than_there_is_room_for(tmp_path: Path) -> None:
    with installation(tmp_path / "home", admission={"builds_per_cloud": 7}) as yunzhuo:
        people = [yunzhuo.person(f"p{number}") for number in range(AT_ONCE)]
        assert all_at_once(lambda number: yunzhuo.request(people[number]).operation.action) == {"create": AT_ONCE}
        statuses: Counter[OperationStatus] = Counter()
        for person in people:
            statuses += Counter(each.operation.status for each in yunzhuo.services.operations.list(person).items)
        assert statuses == {OperationStatus.QUEUED: 7, OperationStatus.WAITING: AT_ONCE - 7}


def _ask_in_a_process(settings_text: str, begin: Any, answers: Any, times: int) -> None:
    settings = Settings.model_validate_json(settings_text)
    with services(settings) as others:
        lin = others.accounts.by_email("lin@school.local").actor()
        image, flavor = others.catalog.images(lin)[0].id, others.catalog.flavors(lin)[0].id
        begin.wait()
        for _ in range(times):
            try:
                others.desktops.request(lin, image_id=image, flavor_id=flavor)
                answers.put("made")
            except Exception as error:
                answers.put(getattr(error, "code", repr(error)))


def test_the_last_free_place_is_one_desktops_between_processes_too(tmp_path: Path) -> None:
    processes, times = 5, 10
    with installation(tmp_path / "home", limits={"desktops_per_user": 1}) as yunzhuo:
        lin = yunzhuo.person("lin")
        context = multiprocessing.get_context("spawn")
        begin, answers = context.Barrier(processes), context.Queue()
        wish = (yunzhuo.settings.model_dump_json(), begin, answers, times)
        running = [context.Process(target=_ask_in_a_process, args=wish) for _ in range(processes)]
        for process in running:
            process.start()
        told = Counter(answers.get(timeout=120) for _ in range(processes * times))
        for process in running:
            process.join(60)
        assert told == {"made": 1, "desktop_limit_reached": processes * times - 1}
        assert len(yunzhuo.services.desktops.list(lin).items) == 1
