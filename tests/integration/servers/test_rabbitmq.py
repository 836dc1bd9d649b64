"""Wake-ups over a real RabbitMQ, with a real worker and its jobs."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from kombu import Connection
from tests.support.installation import PASSWORD, QUICK_PASSWORDS
from tests.support.rabbitmq import RabbitMq
from tests.support.waiting import eventually

from yunzhuo.phoenix import queue
from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.queue import QUEUE_NAME
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.admission import ADVANCE_JOB
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.first_start import prepare

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]


@pytest.fixture
def settings(tmp_path: Path, rabbitmq: RabbitMq) -> Settings:
    settings = Settings.model_validate(
        {"home": tmp_path / "home", "cloud": {"driver": "memory"}, "queue": {"url": rabbitmq.url, "worker_threads": 2}}
    )
    prepare(settings)
    return settings


@pytest.fixture
def all_services(settings: Settings) -> Iterator[Services]:
    with services(settings, passwords=QUICK_PASSWORDS) as made:
        made.catalog.synchronize(made.accounts.default_organization_id())
        yield made


@pytest.fixture
def lin(all_services: Services) -> Actor:
    return all_services.accounts.add("lin@school.local", PASSWORD, Role.USER).actor()


@contextmanager
def process(settings: Settings, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the background side, ended at the end."""
    file = settings.home / "settings.json"
    file.write_text(settings.model_dump_json())
    with (settings.home / f"{name}.log").open("ab") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "tests.support.background", name, str(file)], stdin=subprocess.PIPE, stdout=log, stderr=log
        )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.terminate()
        started.communicate(timeout=30)


def available(all_services: Services, actor: Actor, seconds: float) -> float:
    """Ask for a desktop and wait until it can be used; answers how long that took."""
    image, flavor = all_services.catalog.images(actor)[0].id, all_services.catalog.flavors(actor)[0].id
    began = time.monotonic()
    desktop_id = all_services.desktops.request(actor, image_id=image, flavor_id=flavor).desktop.id
    eventually(lambda: all_services.desktops.get(actor, desktop_id).state == "available", seconds)
    return time.monotonic() - began


def test_the_queue_is_a_quorum_queue_and_its_messages_are_json(
    settings: Settings, all_services: Services, lin: Actor, rabbitmq: RabbitMq
) -> None:
    if QUEUE_NAME in rabbitmq.queues():
        rabbitmq.control("delete_queue", QUEUE_NAME)
    assert all_services.health.backlog() == 0, "there is no queue"
    all_services.engine.wake("an id")
    eventually(lambda: all_services.health.backlog() == 1, 10)
    assert {name: (queue["type"], queue["durable"]) for name, queue in rabbitmq.queues().items()} == {
        QUEUE_NAME: ("quorum", True)
    }
    with Connection(settings.queue.url) as connection:
        message = all_services.queue_app.amqp.queues[QUEUE_NAME](connection.default_channel).get()
        assert message is not None
        message.ack()
    assert message.content_type == "application/json"
    assert message.headers["task"] == ADVANCE_JOB
    assert json.loads(message.body or "")[0] == ["an id"]


def test_a_worker_takes_one_message_a_thread_and_asks_for_no_other_queue(
    settings: Settings, all_services: Services, lin: Actor, rabbitmq: RabbitMq
) -> None:
    with process(settings, "worker"):
        available(all_services, lin, 60)
        consumers = rabbitmq.control("list_consumers", "--quiet", "--formatter", "json", "queue_name", "prefetch_count")
        assert [each["prefetch_count"] for each in json.loads(consumers)] == [settings.queue.worker_threads]
        assert set(rabbitmq.queues()) == {QUEUE_NAME}


def test_a_broker_that_is_away_costs_time_and_nothing_else(
    settings: Settings, all_services: Services, lin: Actor, rabbitmq: RabbitMq
) -> None:
    with process(settings, "worker"), process(settings, "scheduler"):
        available(all_services, lin, 60)
        rabbitmq.end(signal.SIGKILL)
        try:
            assert "queue" in all_services.health.missing()
            image, flavor = all_services.catalog.images(lin)[0].id, all_services.catalog.flavors(lin)[0].id
            began = time.monotonic()
            meanwhile = all_services.desktops.request(lin, image_id=image, flavor_id=flavor).desktop.id
            assert time.monotonic() - began < 5, "nobody waits for a broker"
            rabbitmq.forget_everything()
        finally:
            rabbitmq.start()
        eventually(lambda: all_services.desktops.get(lin, meanwhile).state == "available", 90)
        assert "queue" not in all_services.health.missing()
        assert rabbitmq.queues()[QUEUE_NAME]["type"] == "quorum"
        took = eventually(lambda: (seconds := available(all_services, lin, 30)) < 5 and seconds, 60)
        print(f"{took:.2f} s")


def test_a_queue_of_which_only_the_name_is_left_is_made_anew(
    settings: Settings, all_services: Services, lin: Actor, rabbitmq: RabbitMq
) -> None:
    with process(settings, "worker"), process(settings, "scheduler"):
        available(all_services, lin, 60)
        rabbitmq.end(signal.SIGKILL)
        rabbitmq.lose_what_quorum_queues_hold()
        rabbitmq.start()
        image, flavor = all_services.catalog.images(lin)[0].id, all_services.catalog.flavors(lin)[0].id
        began = time.monotonic()
        wished = [all_services.desktops.request(lin, image_id=image, flavor_id=flavor).desktop.id for _ in range(5)]
        waited = time.monotonic() - began
        for desktop_id in wished:
            eventually(lambda: all_services.desktops.get(lin, desktop_id).state == "available", 150)  # noqa: B023 (called at once)
        print(f"asking took {waited:.2f} s, all of it {time.monotonic() - began:.2f} s")
        assert waited < 20, "one waits for the broker, the others are told at once"


def test_of_two_who_see_that_it_is_broken_one_mends_it(
    settings: Settings, all_services: Services, lin: Actor, rabbitmq: RabbitMq, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the second deletes it under those who listen to the new one already."""
    monkeypatch.setattr(queue, "_BROKEN_SECONDS", 0.0)
    all_services.engine.wake("nobody's")
    eventually(lambda: rabbitmq.queues()[QUEUE_NAME]["messages"] == 1, 30)
    rabbitmq.end(signal.SIGKILL)
    rabbitmq.lose_what_quorum_queues_hold()
    rabbitmq.start()
    with services(settings, passwords=QUICK_PASSWORDS) as others:
        both = (all_services, others)
        for each in both:
            with pytest.raises(Unavailable):
                each.engine.wake("nobody's")
        with ThreadPoolExecutor(2) as threads:
            mended = list(threads.map(lambda each: each.health.mend_queue(), both))
        assert sorted(mended) == [False, True]
        assert not both[mended.index(False)].health.mend_queue(), "it may be that it has not noticed yet"
        eventually(lambda: all(_wakes(each) for each in both), 30)
        eventually(lambda: all_services.health.backlog() >= 2, 10)
    rabbitmq.control("delete_queue", QUEUE_NAME)


def test_a_queue_that_works_is_not_made_anew(all_services: Services, rabbitmq: RabbitMq) -> None:
    all_services.engine.wake("nobody's")
    # A broker that is killed the moment it made a queue keeps its name alone, which is another test's. It counts now and then.
    eventually(lambda: rabbitmq.queues()[QUEUE_NAME]["messages"] == 1, 30)
    rabbitmq.end(signal.SIGKILL)
    try:
        with pytest.raises(Unavailable):
            all_services.engine.wake("nobody's")
        began = time.monotonic()
        with pytest.raises(Unavailable):
            all_services.engine.wake("nobody's")
        assert time.monotonic() - began < 1, "whoever failed spares the next ones the wait"
        assert not all_services.health.mend_queue()
    finally:
        rabbitmq.start()
    eventually(lambda: _wakes(all_services), 30)
    assert not all_services.health.mend_queue()
    eventually(lambda: all_services.health.backlog() == 2, 10)


def _wakes(all_services: Services) -> bool:
    try:
        all_services.engine.wake("nobody's")
    except Unavailable:
        return False
    return True


def test_purged_messages_are_sent_again(settings: Settings, all_services: Services, lin: Actor, rabbitmq: RabbitMq) -> None:
    image, flavor = all_services.catalog.images(lin)[0].id, all_services.catalog.flavors(lin)[0].id
    wished = [all_services.desktops.request(lin, image_id=image, flavor_id=flavor).desktop.id for _ in range(5)]
    rabbitmq.control("purge_queue", QUEUE_NAME)
    eventually(lambda: rabbitmq.queues()[QUEUE_NAME]["messages"] == 0, 30)  # the broker counts now and then
    with process(settings, "worker"), process(settings, "scheduler"):
        for desktop_id in wished:
            eventually(lambda: all_services.desktops.get(lin, desktop_id).state == "available", 60)  # noqa: B023 (called at once)


def test_a_message_of_a_killed_worker_goes_to_another(
    settings: Settings, all_services: Services, lin: Actor, rabbitmq: RabbitMq
) -> None:
    all_services.engine.wake("nobody's")
    with process(settings, "worker") as first:
        eventually(lambda: rabbitmq.queues()[QUEUE_NAME]["messages"] == 0, 60)
        first.kill()
        first.wait()
    with process(settings, "worker"):
        available(all_services, lin, 60)
