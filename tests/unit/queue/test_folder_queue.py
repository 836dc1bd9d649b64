"""The folder that carries wake-ups."""

import threading
from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection
from tests.support.server_process import free_port
from tests.support.waiting import eventually

from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.queue import QUEUE_NAME, Queue, make_app

MESSAGES = 300


def app(home: Path) -> Celery:
    return make_app(Settings(home=home))


def receive(connection: Connection, count: int) -> list[str]:
    """The first ids of ``count`` messages, in the order they came."""
    ids: list[str] = []
    with connection.SimpleQueue(QUEUE_NAME) as queue:
        for _ in range(count):
            message = queue.get(timeout=20)
            ids.append(message.payload[0][0])
            message.ack()
    return ids


def test_messages_come_in_order_and_as_json(tmp_path: Path) -> None:
    queue = Queue(app(tmp_path))
    for number in range(5):
        queue.send("operation.advance", f"id-{number}")
    files = sorted((tmp_path / "queue" / "messages").iterdir())
    assert len(files) == 5
    assert all(file.suffix == ".msg" for file in files)
    with app(tmp_path).connection_for_read() as connection:
        assert receive(connection, 5) == [f"id-{number}" for number in range(5)]


def test_a_reader_never_sees_half_a_message(tmp_path: Path) -> None:
    """Eight writers and a reader that looks all the time: every message arrives, once."""
    sender = Queue(app(tmp_path))

    def write(writer: int) -> None:
        for number in range(MESSAGES // 8):
            sender.send("operation.advance", f"{writer}-{number}")

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in writers:
        thread.start()
    with app(tmp_path).connection_for_read() as connection:
        received = receive(connection, MESSAGES // 8 * 8)
    for thread in writers:
        thread.join()
    assert len(received) == len(set(received)) == MESSAGES // 8 * 8


def test_a_message_that_is_due_later_waits_at_its_sender(tmp_path: Path) -> None:
    queue, folder = Queue(app(tmp_path)), tmp_path / "queue" / "messages"
    queue.send("operation.advance", "never", delay_seconds=3600)
    queue.send("operation.advance", "second", delay_seconds=0.2)
    queue.send("operation.advance", "first", delay_seconds=0.1)
    assert list(folder.iterdir()) == []
    eventually(lambda: len(list(folder.glob("*.msg"))) == 2, 10)
    queue.close()
    queue.send("operation.advance", "too late", delay_seconds=0.001)
    with app(tmp_path).connection_for_read() as connection:
        assert receive(connection, 2) == ["first", "second"]
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_a_broker_that_is_away_is_told_in_our_words() -> None:
    settings = Settings.model_validate({"queue": {"url": f"amqp://nobody:secret@127.0.0.1:{free_port()}//"}})
    queue = Queue(make_app(settings))
    for ask in (queue.check, lambda: queue.send("operation.advance", "id")):
        with pytest.raises(Unavailable) as told:
            ask()
        assert told.value.code == "queue_unavailable"
        assert "secret" not in f"{told.value} {told.value.details}"
