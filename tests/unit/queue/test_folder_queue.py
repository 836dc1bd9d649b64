"""The folder that carries wake-ups."""

import threading
from pathlib import Path

from celery import Celery
from kombu import Connection

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
