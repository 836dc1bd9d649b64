"""Nova's notifications over a real RabbitMQ: what is heard, with how few rights, and that the broker is never filled."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kombu import Connection, Exchange, Queue
from tests.support.rabbitmq import RabbitMq
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.errors import CloudUnavailable
from yunzhuo.phoenix.cloud.notice_interface import Notice
from yunzhuo.phoenix.cloud.openstack.notices import QUEUE_ARGUMENTS, OpenStackNotices, queue_name
from yunzhuo.phoenix.config.settings import OpenStackSettings
from yunzhuo.phoenix.security.authority import load_or_make_authority

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

RECORDED = (Path(__file__).parents[2] / "unit" / "cloud_openstack" / "nova-power-off-end.json").read_bytes()
SERVER = "1d5b1e4a-0000-4000-8000-00000000c10d"
PROJECT = "0a1b2c3d4e5f40718293a4b5c6d7e8f9"
QUEUE = queue_name(PROJECT, "test")
VHOST = "notifications"


@pytest.fixture
def nova(rabbitmq: RabbitMq) -> Iterator[Connection]:
    """Nova's side of a bus that has notifications alone, on which Yunzhuo has an account as the documentation makes it."""
    rabbitmq.control("add_vhost", VHOST)
    rabbitmq.control("set_permissions", "-p", VHOST, "guest", ".*", ".*", ".*")
    rabbitmq.control("add_user", "yunzhuo", "of-the-test")
    rabbitmq.control("set_permissions", "-p", VHOST, "yunzhuo", "^yunzhuo-", "^yunzhuo-", "^(yunzhuo-.*|nova)$")
    topics = r"^versioned_notifications\.(info|error)$"
    rabbitmq.control("set_topic_permissions", "-p", VHOST, "yunzhuo", "nova", "^$", topics)
    with Connection(f"amqp://guest:guest@127.0.0.1:{rabbitmq.port}/{VHOST}") as connection:
        Exchange("nova", "topic", durable=False)(connection.default_channel).declare()
        yield connection
    rabbitmq.control("delete_vhost", VHOST)
    rabbitmq.control("delete_user", "yunzhuo")


def listener(rabbitmq: RabbitMq, **changes: str) -> OpenStackNotices:
    url = f"amqp://yunzhuo:of-the-test@127.0.0.1:{rabbitmq.port}/{VHOST}"
    settings = OpenStackSettings.model_validate({"tag": "test", "notifications_url": url} | changes)
    return OpenStackNotices(settings, lambda: PROJECT, lambda project, server: server if project == PROJECT else None)


def send(nova: Connection, body: bytes, level: str = "info") -> None:
    nova.Producer().publish(
        body, exchange="nova", routing_key=f"versioned_notifications.{level}", content_type="application/json"
    )


def of_project(project_id: str) -> bytes:
    return RECORDED.replace(PROJECT.encode(), project_id.encode())


def test_what_nova_says_of_our_project_is_heard_at_once(rabbitmq: RabbitMq, nova: Connection) -> None:
    with closing(listener(rabbitmq)) as notices:
        assert notices.listen(0).received == 0
        send(nova, of_project("f" * 32))
        send(nova, b"nonsense", "error")
        send(nova, RECORDED)
        began, received, unreadable = time.monotonic(), 0, 0
        heard: list[Notice] = []
        while received < 3 and time.monotonic() - began < 10:
            said = notices.listen(5)
            received, unreadable = received + said.received, unreadable + said.unreadable
            heard += said.notices
        assert time.monotonic() - began < 4, "nobody waits for the end of the time"
        assert (received, unreadable, [notice.server_id for notice in heard]) == (3, 1, [SERVER])


def over_tls(rabbitmq: RabbitMq, ca: Path | str, host: str = "127.0.0.1") -> OpenStackNotices:
    url = f"amqps://yunzhuo:of-the-test@{host}:{rabbitmq.tls_port}/{VHOST}"
    return listener(rabbitmq, notifications_url=url, notifications_ca=str(ca))


def test_they_are_heard_over_tls_from_a_broker_that_the_ca_vouches_for(rabbitmq: RabbitMq, nova: Connection) -> None:
    with closing(over_tls(rabbitmq, rabbitmq.ca)) as notices:
        assert notices.listen(0).received == 0
        send(nova, RECORDED)
        assert [notice.server_id for notice in notices.listen(5).notices] == [SERVER]
        connections = json.loads(rabbitmq.control("list_connections", "--quiet", "--formatter", "json", "user", "ssl"))
        assert {"user": "yunzhuo", "ssl": True} in connections


@pytest.mark.parametrize("believed", ["another's", "the system's", "no file", "no CA"])
def test_a_broker_that_the_ca_does_not_vouch_for_is_told_nothing(
    rabbitmq: RabbitMq, nova: Connection, tmp_path: Path, believed: str
) -> None:
    file = tmp_path / "ca.pem"
    if believed == "another's":
        file.write_text(load_or_make_authority(tmp_path / "authority.pem", "another", datetime.now(UTC)).certificate)
    elif believed == "no CA":
        file.write_text("nothing of that kind")
    with (
        closing(over_tls(rabbitmq, "" if believed == "the system's" else file)) as notices,
        pytest.raises(CloudUnavailable, match="notifications_ca") as refusal,
    ):
        notices.listen(0)
    assert "of-the-test" not in f"{refusal.value.message} {refusal.value.details}"


def test_a_broker_of_another_name_is_told_nothing(rabbitmq: RabbitMq, nova: Connection) -> None:
    with (
        closing(over_tls(rabbitmq, rabbitmq.ca, host="localhost")) as notices,
        pytest.raises(CloudUnavailable, match=r"notifications_ca.*'localhost'"),
    ):
        notices.listen(0)


def test_the_account_can_listen_to_nothing_else(rabbitmq: RabbitMq, nova: Connection) -> None:
    for other in ({"notifications_topic": "conductor"}, {"notifications_exchange": "amq.topic"}):
        with closing(listener(rabbitmq, **other)) as notices, pytest.raises(CloudUnavailable, match="AccessRefused"):
            notices.listen(0)


def test_the_broker_is_never_filled(rabbitmq: RabbitMq, nova: Connection) -> None:
    with closing(listener(rabbitmq)) as notices:
        notices.listen(0)
    queues = json.loads(
        rabbitmq.control("list_queues", "-p", VHOST, "--quiet", "--formatter", "json", "name", "arguments", "auto_delete")
    )
    (queue,) = queues
    assert queue["name"] == QUEUE
    arguments = (
        {name: value for name, _, value in queue["arguments"]} if isinstance(queue["arguments"], list) else queue["arguments"]
    )
    assert arguments == QUEUE_ARGUMENTS
    for _ in range(3):
        send(nova, RECORDED)
    with closing(listener(rabbitmq)) as notices:
        heard: list[Notice] = []

        def all_came() -> bool:
            heard.extend(notices.listen(1).notices)
            return len(heard) == 3

        eventually(all_came, 10, what="what was sent while nobody listened")


def test_a_queue_of_another_release_is_made_anew(rabbitmq: RabbitMq, nova: Connection) -> None:
    Queue(QUEUE, channel=nova.default_channel, durable=True, auto_delete=False).queue_declare()
    with closing(listener(rabbitmq)) as notices:
        assert notices.listen(0).received == 0
        send(nova, RECORDED)
        assert [notice.server_id for notice in notices.listen(5).notices] == [SERVER]


def test_a_broker_that_is_away_is_waited_for(rabbitmq: RabbitMq, nova: Connection) -> None:
    with closing(listener(rabbitmq)) as notices:
        notices.listen(0)
        rabbitmq.end(signal.SIGKILL)
        try:
            with pytest.raises(CloudUnavailable):
                notices.listen(5)
            began = time.monotonic()
            with pytest.raises(CloudUnavailable):
                notices.listen(0.1)
            assert time.monotonic() - began < 2, "between two tries nobody is kept"
        finally:
            rabbitmq.start()
        with Connection(f"amqp://guest:guest@127.0.0.1:{rabbitmq.port}/{VHOST}") as again:
            Exchange("nova", "topic", durable=False)(again.default_channel).declare()

            def is_heard() -> bool:
                try:
                    notices.listen(0.1)
                except CloudUnavailable:
                    return False
                send(again, RECORDED)
                return bool(notices.listen(2).notices)

            eventually(is_heard, 60, what="the next notification")
