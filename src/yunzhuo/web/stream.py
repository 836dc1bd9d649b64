"""The stream process: changes as they happen, to open pages and to programs, as server-sent events.

It listens on loopback only; the web process sends it the requests for ``/events`` (pages, by their session's cookie) and
``/api/v1/events`` (programs, by bearer token).
"""

import asyncio
import re

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from yunzhuo.phoenix.common.errors import InvalidInput, NotSignedIn, YunzhuoError
from yunzhuo.phoenix.common.logging import configure, get_logger
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security.secrets import load_or_make
from yunzhuo.services.assembly import services
from yunzhuo.services.events import EventService
from yunzhuo.services.first_start import web_secret_file
from yunzhuo.web.event_hub import RESET, Credential, Door, EventHub, Proof, Subscriber, as_message
from yunzhuo.webkit import serving
from yunzhuo.webkit.asgi import Receive, Scope, Send, raw_headers, send_problem, until_disconnect
from yunzhuo.webkit.cookies import COOKIE_NAME, name_of, session_secret
from yunzhuo.webkit.request_ids import HEADER, sane_or_new
from yunzhuo.webkit.statuses import problem_of

log = get_logger()

RETRY_MILLISECONDS = 2000
_REPLAY_PAGE = 500
_EVENT_ID = re.compile(r"[0-9]{1,18}")
_HEADERS = raw_headers(
    {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",  # nginx would hold small messages back
    }
)


class EventStream:
    """The ASGI application behind one of the two addresses; ``proof`` is what counts there."""

    def __init__(
        self,
        hub: EventHub,
        events: EventService,
        proof: Proof,
        *,
        secret_key: str,
        keepalive_seconds: float,
        cookie_name: str,
    ) -> None:
        self._hub = hub
        self._events = events
        self._proof = proof
        self._secret_key = secret_key
        self._keepalive_seconds = keepalive_seconds
        self._cookie_name = cookie_name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        try:
            subscriber, position = await self._hub.subscribe(self._credential(request))
        except YunzhuoError as error:
            await send_problem(send, problem_of(error), sane_or_new(request.headers.get(HEADER)))
            return
        watching = asyncio.create_task(until_disconnect(receive))
        watching.add_done_callback(lambda _: subscriber.end())
        try:
            await self._stream(request, subscriber, position, send)
        finally:
            watching.cancel()
            self._hub.unsubscribe(subscriber)

    async def _stream(self, request: Request, subscriber: Subscriber, position: int, send: Send) -> None:
        try:
            last_id = _last_event_id(request)
        except InvalidInput as error:
            await send_problem(send, problem_of(error), sane_or_new(request.headers.get(HEADER)))
            return
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await _send(send, f"retry: {RETRY_MILLISECONDS}\n\n".encode())
        if last_id is not None:
            await self._replay(subscriber, last_id, position, send)
        while (message := await subscriber.next(self._keepalive_seconds)) is not None:
            await _send(send, message)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _replay(self, subscriber: Subscriber, last_id: int, position: int, send: Send) -> None:
        """Send what was missed; first of all that it is not everything, if it is too long ago. What the hub may offer as
        well (all after ``position``) is sent only once."""
        if await asyncio.to_thread(self._events.is_forgotten, last_id):
            await _send(send, RESET)
        while True:
            missed = await asyncio.to_thread(self._events.missed_by, subscriber.actor, last_id, limit=_REPLAY_PAGE)
            subscriber.has_replayed([event.id for event in missed if event.id > position])
            await _send(send, b"".join(as_message(event, position) for event in missed))
            if len(missed) < _REPLAY_PAGE:
                return
            last_id = missed[-1].id

    def _credential(self, request: Request) -> Credential:
        """What the request shows; raises NotSignedIn when it shows nothing that counts here."""
        if self._proof is Proof.TOKEN:
            kind, _, secret = request.headers.get("authorization", "").partition(" ")
            if kind.lower() == "bearer" and secret.strip():
                return Credential(Proof.TOKEN, secret.strip())
        else:
            secret_of_session = session_secret(self._secret_key, request.cookies.get(self._cookie_name, ""))
            if secret_of_session is not None:
                return Credential(Proof.SESSION, secret_of_session)
        raise NotSignedIn("not_signed_in", "Please sign in.")


async def _send(send: Send, body: bytes) -> None:
    if body:
        await send({"type": "http.response.body", "body": body, "more_body": True})


def _last_event_id(request: Request) -> int | None:
    """Where the client was; None when it is here for the first time. Raises InvalidInput."""
    given = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    if not given:
        return None
    if not _EVENT_ID.fullmatch(given):
        raise InvalidInput("There is no such event.", fields={"last_event_id": "The id of an event: a whole number."})
    return int(given)


def create_stream(
    hub: EventHub, events: EventService, *, secret_key: str, keepalive_seconds: float, is_https: bool = False
) -> Starlette:
    """The application over a hub; ``secret_key`` is the one that signs the portal's cookies."""

    def stream(proof: Proof) -> EventStream:
        cookie_name = name_of(COOKIE_NAME, is_https=is_https)
        return EventStream(
            hub, events, proof, secret_key=secret_key, keepalive_seconds=keepalive_seconds, cookie_name=cookie_name
        )

    return Starlette(
        routes=[
            Route("/events", stream(Proof.SESSION), methods=["GET"]),
            Route("/api/v1/events", stream(Proof.TOKEN), methods=["GET"]),
        ]
    )


def run(settings: Settings, supervised: bool) -> int:
    """Serve event streams until told to end; the exit code is 0. Raises Unavailable when the port is taken."""
    configure("stream", level=settings.log.level, style=settings.log.style)
    listener = serving.listen("127.0.0.1", settings.stream.port, setting="[stream] port")
    with services(settings) as all_services:
        door = Door(all_services.sessions, all_services.tokens)
        hub = EventHub(all_services.events, door, poll_seconds=settings.stream.poll_seconds)
        app = create_stream(
            hub,
            all_services.events,
            secret_key=load_or_make(web_secret_file(settings)),
            keepalive_seconds=settings.stream.keepalive_seconds,
            is_https=settings.public_url.startswith("https://"),
        )
        log.info("stream_listening", port=settings.stream.port)
        serving.serve(app, listener, supervised=supervised, beside=hub, on_end=hub.close)
    return 0
