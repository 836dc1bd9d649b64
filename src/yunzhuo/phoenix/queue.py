"""Wake-ups between processes: named jobs whose arguments are ids.

The database says what is due; a message only says "look now". So a message may be lost, late or doubled without harm.
The default broker is a folder (kombu's filesystem transport); ``[queue] url`` names a real one.
"""

import heapq
import itertools
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from amqp.exceptions import AMQPError, NotFound, PreconditionFailed
from celery import Celery
from kombu import Connection
from kombu import Queue as Declared
from kombu.exceptions import KombuError
from kombu.pools import ProducerPool

from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.settings import Settings

log = get_logger()

QUEUE_NAME = "yunzhuo"
# Measured: 21 ms a hop and 1 % of a core when idle; the transport's own default is one second.
FOLDER_POLL_SECONDS = 0.02
_CONNECT_SECONDS = 3.0
_CONFIRM_SECONDS = 3.0
_ANSWER_SECONDS = 2
_SENDERS = 10  # at the same time, in one process
# Whoever failed to send spares the next ones the wait.
_REST_SECONDS = 5.0
# A broker restarts in less; a queue that takes nothing for longer, in a broker that works, does not come back by itself.
_BROKEN_SECONDS = 10.0
_MEND_SECONDS = 15  # the broker itself waits five for a queue that does not answer
# Whoever mends the queue is alone at it for so long. Two would delete it under those who listen to the new one already.
_MENDING = f"{QUEUE_NAME}-mending"
_MENDING_SECONDS = 30
# Once more, at once: enough for a connection that a broker's restart has cut.
_RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
_LATE = "The queue does not answer: changes are late."
_AWAY = (AMQPError, KombuError, OSError)
# On the disks of most of the broker's nodes before it is confirmed. Its length is bounded, the oldest message giving way:
# when no worker runs, the same wake-ups are sent again and again. One that kills every worker is dropped in the end.
_QUORUM = {"x-queue-type": "quorum", "x-max-length": 100_000, "x-delivery-limit": 20}


def make_app(settings: Settings) -> Celery:
    """The Celery application, with JSON as its only language."""
    app = Celery("yunzhuo", set_as_current=False)
    app.conf.update(
        broker_url=settings.queue.url or "filesystem://localhost",
        broker_transport=None if settings.queue.url else "yunzhuo.phoenix.folder_queue:Transport",
        broker_transport_options=_transport_options(settings),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=_CONNECT_SECONDS,
        task_queues=[Declared(QUEUE_NAME, queue_arguments=_QUORUM if settings.queue.url else None)],
        task_default_queue=QUEUE_NAME,
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,  # what is being done is done twice at worst
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        timezone="UTC",
    )
    return app


def _transport_options(settings: Settings) -> Mapping[str, Any]:
    if settings.queue.url:
        return {"confirm_publish": True}
    folder = settings.home / "queue"
    for name in ("messages", "control"):
        (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    return {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
        "polling_interval": FOLDER_POLL_SECONDS,
    }


class Queue:
    """Sends named jobs. To be called after the transaction that they look at has been committed."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._later = _Later()
        self._is_real = app.conf.broker_transport is None
        # Of our own: kombu's are shared by all that use the same broker, also after one of them has closed.
        self._connections = self._connection(_ANSWER_SECONDS).Pool(_SENDERS)
        self._producers = ProducerPool(self._connections, limit=_SENDERS)
        self._failing = _Failing()
        self._mark = 1 + secrets.randbelow(2**30)

    def send(self, job: str, *ids: str, delay_seconds: float = 0) -> None:
        """Ask for ``job`` with ``ids`` to be run, after ``delay_seconds`` at the earliest.

        What is delayed waits in this process, and is lost with it: no broker and no worker has to hold what nobody can
        do yet. A broker that is away raises Unavailable, or is logged when the message was delayed: the caller may ignore
        it, because what is due is found in the database anyway.
        """
        if delay_seconds > 0:
            self._later.call(delay_seconds, lambda: self._send(job, ids))
        else:
            self._send(job, ids)

    def mend(self) -> bool:
        """Make the queue anew when it has taken nothing for ten seconds while the broker takes messages for another one.

        A broker killed just after it made a quorum queue may keep its name and lose the rest: whoever sends or listens then
        waits for ever (seen with RabbitMQ 3.10). What is lost with it is found in the database. Returns whether it was made
        anew; raises Unavailable when the broker does not let us.
        """
        if not self._is_real or self._failing.seconds() < _BROKEN_SECONDS:
            return False
        try:
            with self._connection(_MEND_SECONDS) as connection:
                channel: Any = connection.default_channel
                other = channel.queue_declare(exclusive=True).queue
                connection.Producer().publish("", routing_key=other, retry=False, confirm_timeout=_CONFIRM_SECONDS)
                if not self._is_ours_to_mend(connection):
                    return False
                channel.queue_delete(QUEUE_NAME)
                self._app.conf.task_queues[0](channel).declare()
        except _AWAY as error:
            raise _unavailable(error) from error
        self._failing.ended()
        log.warning("queue_made_anew", queue=QUEUE_NAME)
        return True

    def check(self) -> None:
        """Raises Unavailable when the broker does not let us in."""
        try:
            with self._connection(_ANSWER_SECONDS) as connection:
                connection.connect()
        except _AWAY as error:
            raise _unavailable(error) from error

    def length(self) -> int:
        """How many messages nobody has taken yet. Raises Unavailable when the broker does not say."""
        try:
            with self._connection(_ANSWER_SECONDS) as connection:
                channel: Any = connection.default_channel
                return int(channel.queue_declare(QUEUE_NAME, passive=True).message_count)
        except NotFound:
            return 0  # nobody has sent any
        except _AWAY as error:
            raise _unavailable(error) from error

    def close(self) -> None:
        """Forget what is delayed, and let the broker go."""
        self._later.close()
        self._connections.force_close_all()

    def _is_ours_to_mend(self, connection: Connection) -> bool:
        """Whether nobody else began to just now: an argument of a queue is the first one's for as long as the queue lives."""
        mine = {"x-expires": _MENDING_SECONDS * 1000, "x-max-length": self._mark}
        try:
            channel: Any = connection.channel()
            channel.queue_declare(_MENDING, arguments=mine)
        except PreconditionFailed:
            return False
        return True

    def _send(self, job: str, ids: tuple[str, ...]) -> None:
        self._failing.spare_the_wait()
        try:
            with self._producers.acquire(block=True, timeout=_CONFIRM_SECONDS) as producer:
                self._app.send_task(
                    job, args=ids, queue=QUEUE_NAME, producer=producer, retry_policy=_RETRY, confirm_timeout=_CONFIRM_SECONDS
                )
        except _AWAY as error:
            self._failing.again(error)
            raise _unavailable(error) from error
        self._failing.ended()

    def _connection(self, seconds: int) -> Connection:
        """One that waits for no answer longer than that: not even when it is closed."""
        options = {"read_timeout": seconds, "write_timeout": seconds} if self._is_real else {}
        return self._app.connection_for_write(connect_timeout=_CONNECT_SECONDS, transport_options=options)


class _Failing:
    """Since when sending has failed, for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None
        self._latest = 0.0
        self._reason = ""

    def seconds(self) -> float:
        """For how long; 0 when it works."""
        with self._lock:
            return 0.0 if self._since is None else time.monotonic() - self._since

    def again(self, error: Exception) -> None:
        """It failed."""
        with self._lock:
            self._latest = time.monotonic()
            self._reason = _reason(error)
            if self._since is None:
                self._since = self._latest

    def ended(self) -> None:
        """It worked."""
        with self._lock:
            self._since = None

    def spare_the_wait(self) -> None:
        """Raises Unavailable at once when it has just failed for somebody else."""
        with self._lock:
            if self._since is not None and time.monotonic() - self._latest < _REST_SECONDS:
                raise Unavailable("queue_unavailable", _LATE, reason=self._reason)


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable("queue_unavailable", _LATE, reason=_reason(error))


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


class _Later:
    """Calls things after a while, in a thread of its own that begins with the first of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def call(self, seconds: float, action: Callable[[], None]) -> None:
        """Do ``action`` in ``seconds``; what it raises is logged."""
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._numbers), action))
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="queue-later", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Do nothing more."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (action := self._next()) is not None:
            try:
                action()
            except Unavailable as error:
                log.warning("message_not_sent", **error.details)
            except Exception:
                log.exception("message_not_sent")

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._is_closed:
                if not self._waiting:
                    self._changed.wait()
                elif (wait := self._waiting[0][0] - time.monotonic()) > 0:
                    self._changed.wait(wait)
                else:
                    return heapq.heappop(self._waiting)[2]
            return None
