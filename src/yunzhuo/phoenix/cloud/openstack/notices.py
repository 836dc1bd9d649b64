"""Nova's versioned notifications, from its message bus: a queue of our own, which never holds much and goes when we go.

The broker is the cloud's. So the queue is bounded in messages, bytes and age, and is removed by the broker itself when nobody
has listened for ten minutes; messages are taken without a receipt, as losing one costs little. The exchange is only bound to:
our account there needs no right to make it.
"""

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from amqp.exceptions import AMQPError, PreconditionFailed
from kombu import Connection as Broker
from kombu.exceptions import KombuError

from yunzhuo.phoenix.cloud.errors import CloudUnavailable
from yunzhuo.phoenix.cloud.notice_interface import Heard, Notice
from yunzhuo.phoenix.cloud.openstack.notice_reading import Unreadable, read
from yunzhuo.phoenix.config.settings import OpenStackSettings

#: What the queue holds at most while nobody takes from it, and for how long. Older hints help nobody.
QUEUE_ARGUMENTS = {
    "x-max-length": 10_000,
    "x-max-length-bytes": 32 * 1024 * 1024,
    "x-message-ttl": 60_000,
    "x-expires": 600_000,
}
_LEVELS = ("info", "error")
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 5
_HEARTBEAT_SECONDS = 20
_AT_ONCE = 500
# Notifications come in handfuls; what comes so soon after the first is taken with it.
_GATHER_SECONDS = 0.005
_LEAST_SECONDS = 0.001
_FIRST_REST_SECONDS = 1.0
_LONGEST_REST_SECONDS = 30.0
_AWAY = (AMQPError, KombuError, OSError)


class OpenStackNotices:
    """See the interface for the promises. One thread listens at a time."""

    def __init__(
        self, settings: OpenStackSettings, project_id: Callable[[], str], told_id: Callable[[str, str], str | None]
    ) -> None:
        self._settings = settings
        self._project_id = project_id
        self._told_id = told_id
        self._listening = threading.Lock()
        self._line: _Line | None = None
        self._rest_seconds = _FIRST_REST_SECONDS
        self._rests_until = 0.0
        self._why = ""

    def listen(self, seconds: float) -> Heard:
        with self._listening:
            bodies = self._hear(seconds, self._project_id())
        return _understood(bodies, self._told_id)

    def close(self) -> None:
        """Hang up. The queue waits for us for a while."""
        with self._listening:
            self._hang_up()

    def _hear(self, seconds: float, project_id: str) -> Sequence[bytes | str]:
        pause = self._rests_until - time.monotonic()
        if pause > 0:
            time.sleep(min(pause, seconds))
            if pause > seconds:
                raise self._unavailable()
        try:
            if self._line is None:
                self._line = _Line(self._settings, queue_name(project_id, self._settings.tag))
            bodies = self._line.wait(seconds)
        except _AWAY as error:
            self._hang_up()
            self._why = _reason(error, self._settings)[:300]
            self._rests_until = time.monotonic() + self._rest_seconds
            self._rest_seconds = min(2 * self._rest_seconds, _LONGEST_REST_SECONDS)
            raise self._unavailable() from error
        self._rest_seconds = _FIRST_REST_SECONDS
        return bodies

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _unavailable(self) -> CloudUnavailable:
        return CloudUnavailable(f"Nova's notifications cannot be heard: {self._why}", why=self._why)


def queue_name(project_id: str, tag: str) -> str:
    """One for each installation: two that shared a queue would take each other's messages."""
    return f"yunzhuo-{project_id}-{tag}"


def _reason(error: Exception, settings: OpenStackSettings) -> str:
    """What went wrong, for who runs the installation; of a CA also which setting names it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        believed = settings.notifications_ca or "the system's CAs"
        return (
            f"the broker's certificate is not vouched for by {believed} ([openstack] notifications_ca): {error.verify_message}"
        )
    if settings.notifications_ca and isinstance(error, ssl.SSLError | FileNotFoundError | PermissionError):
        return f"TLS with {settings.notifications_ca} ([openstack] notifications_ca): {type(error).__name__}: {error}"
    return f"{type(error).__name__}: {error}"


class _Line:
    """A connection on which messages come. All raises what is in ``_AWAY``."""

    def __init__(self, settings: OpenStackSettings, queue: str) -> None:
        self._came: deque[bytes | str] = deque()
        self._broker = Broker(
            settings.notifications_url,
            connect_timeout=_CONNECT_SECONDS,
            heartbeat=_HEARTBEAT_SECONDS,
            transport_options={"read_timeout": _ANSWER_SECONDS, "write_timeout": _ANSWER_SECONDS},
        )
        if self._broker.transport_cls == "amqps":
            self._broker.ssl = {
                "cert_reqs": ssl.CERT_REQUIRED,
                "ca_certs": settings.notifications_ca or None,
                "server_hostname": self._broker.hostname,
            }
        try:
            self._subscribe(settings, queue)
        except BaseException:
            self.close()
            raise

    def wait(self, seconds: float) -> Sequence[bytes | str]:
        """What has come, as soon as some has."""
        self._broker.heartbeat_check()
        end = time.monotonic() + seconds
        while len(self._came) < _AT_ONCE:
            left = _GATHER_SECONDS if self._came else max(end - time.monotonic(), _LEAST_SECONDS)
            try:
                self._broker.drain_events(timeout=left)
            except TimeoutError:
                break
        bodies = tuple(self._came)
        self._came.clear()
        return bodies

    def close(self) -> None:
        with suppress(*_AWAY):
            self._broker.close()

    def _subscribe(self, settings: OpenStackSettings, queue: str) -> None:
        self._broker.connect()
        channel = self._declare(queue)
        for level in _LEVELS:
            key = f"{settings.notifications_topic}.{level}"
            channel.queue_bind(queue, exchange=settings.notifications_exchange, routing_key=key)
        channel.basic_consume(queue, no_ack=True, callback=lambda message: self._came.append(message.body))

    def _declare(self, queue: str) -> Any:
        """The channel. A queue that an earlier release made otherwise is made anew: it held hints and nothing else."""
        channel: Any = self._broker.channel()
        try:
            channel.queue_declare(queue, durable=True, auto_delete=False, arguments=QUEUE_ARGUMENTS)
        except PreconditionFailed:
            channel = self._broker.channel()
            channel.queue_delete(queue)
            channel.queue_declare(queue, durable=True, auto_delete=False, arguments=QUEUE_ARGUMENTS)
        return channel


def _understood(bodies: Sequence[bytes | str], told_id: Callable[[str, str], str | None]) -> Heard:
    notices, unreadable = [], 0
    for body in bodies:
        try:
            told = read(body)
        except Unreadable:
            unreadable += 1
            continue
        server_id = told_id(told.project_id, told.server_id) if told is not None else None
        if told is not None and server_id is not None:
            notices.append(Notice(server_id, told.sent_at))
    return Heard(tuple(notices), len(bodies), unreadable)
