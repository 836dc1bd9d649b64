"""From an HTTP request to a console: the opening handshake (RFC 6455 section 4) and who may ask for it.

The library ``websockets`` parses; what is answered is our own, in constant words, because its texts and its log quote the
request, and a request holds a ticket. For the same reason its logger is a silent one.
"""

import http
import json
import logging
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from websockets.datastructures import Headers, MultipleValuesError
from websockets.exceptions import HeaderLineTooLong, InvalidHeader, RequestLineTooLong, TooManyHeaders
from websockets.headers import parse_subprotocol
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from yunzhuo.gateway.protocol.errors import RequestRefused

CONSOLE_PATH: Final = "/v1/console"
SUBPROTOCOL: Final = "binary"
TICKET_PREFIX: Final = "ticket."

_TICKET: Final = re.compile(r"[A-Za-z0-9._~-]{16,256}")
_END_OF_HEAD: Final = b"\r\n\r\n"
# A method and an address in origin form (RFC 9112 section 3.2.1): we are no proxy, and other protocols do not look like it.
_START: Final = re.compile(rb"[A-Z]{0,16}|[A-Z]{1,16} (/.*)?", re.DOTALL)
_START_BYTES: Final = 20
_SWITCHING: Final = 101

_SILENT: Final = logging.getLogger("yunzhuo.gateway.silent")
_SILENT.disabled = True

# What `websockets` finds wrong with an upgrade, in our words.
_UPGRADE_REFUSALS: Final = {
    405: ("method_not_allowed", "only GET is understood", (("Allow", "GET"),)),
    426: ("upgrade_required", "this is the address of a WebSocket", (("Upgrade", "websocket"),)),
    505: ("http_version", "only HTTP/1.1 is understood", ()),
}


def is_ticket(text: str) -> bool:
    """Whether this may be a ticket at all; only such a thing is worth a question."""
    return _TICKET.fullmatch(text) is not None


class RequestReader:
    """Takes the bytes of one HTTP request in any portions, ``max_bytes`` of head at the most.

    What cannot become a request is refused with its first bytes, not when the peer has sent enough of it.
    """

    __slots__ = ("_buffer", "_max_bytes")

    def __init__(self, *, max_bytes: int) -> None:
        self._buffer = bytearray()
        self._max_bytes = max_bytes

    def receive(self, data: bytes) -> Request | None:
        """The request, once its head is whole. Raises RequestRefused; then it is over."""
        searched_from = max(0, len(self._buffer) - len(_END_OF_HEAD) + 1)
        self._buffer += data
        if not _START.fullmatch(bytes(self._buffer[:_START_BYTES])):
            raise _bad_request()
        end = self._buffer.find(_END_OF_HEAD, searched_from)
        size = end + len(_END_OF_HEAD) if end >= 0 else len(self._buffer)
        if size > self._max_bytes:
            raise RequestRefused(431, "header_too_large", f"the head of a request may have {self._max_bytes} bytes")
        if end < 0:
            return None
        head = bytes(self._buffer[:size])
        del self._buffer[:size]
        return _parse(head)

    def take_rest(self) -> bytes:
        """What came behind the head, handed out once."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest


def _parse(head: bytes) -> Request:
    protocol = ServerProtocol(logger=_SILENT)
    protocol.receive_data(head)
    for event in protocol.events_received():
        if isinstance(event, Request):
            return event
    match protocol.handshake_exc:
        case RequestLineTooLong():
            raise RequestRefused(414, "address_too_long", "the address is too long")
        case HeaderLineTooLong() | TooManyHeaders():
            raise RequestRefused(431, "header_too_large", "the request has too many headers, or too long ones")
        case _:
            raise _bad_request()


@dataclass(frozen=True, slots=True)
class ConsoleRequest:
    """A well-formed wish for a console. ``accepted`` is the answer that opens the WebSocket."""

    ticket: str = field(repr=False)
    accepted: bytes = field(repr=False)


def console_request(request: Request, *, allowed_origins: Collection[str]) -> ConsoleRequest:
    """The wish in ``request``, whose path is :data:`CONSOLE_PATH`. Raises RequestRefused."""
    protocol = ServerProtocol(select_subprotocol=lambda _protocol, _offered: None, logger=_SILENT)
    response = protocol.accept(request)
    if response.status_code != _SWITCHING:
        if refusal := _UPGRADE_REFUSALS.get(response.status_code):
            raise RequestRefused(response.status_code, *refusal)
        raise _bad_request()
    _check_origin(request.headers, allowed_origins)
    ticket, answered = _ticket(request.headers)
    response.headers["Sec-WebSocket-Protocol"] = answered
    return ConsoleRequest(ticket, response.serialize())


def _ticket(headers: Headers) -> tuple[str, str]:
    """The ticket, and the subprotocol to answer with.

    The client offers ``ticket.TICKET`` (or the bare ticket), and ``binary``, which is answered so that the ticket is not
    repeated. A client that offers nothing else is answered with what it offered, as RFC 6455 section 4.1 has it: it fails
    the connection otherwise, and the ticket is spent by then.
    """
    try:
        offered = [item for value in headers.get_all("Sec-WebSocket-Protocol") for item in parse_subprotocol(value)]
    except InvalidHeader:
        raise _bad_request() from None
    tickets = {item.removeprefix(TICKET_PREFIX) for item in offered if item != SUBPROTOCOL}
    if len(tickets) != 1 or not is_ticket(ticket := tickets.pop()):
        raise RequestRefused(403, "ticket_missing", "one ticket has to be offered as a subprotocol")
    return ticket, SUBPROTOCOL if SUBPROTOCOL in offered else offered[0]


def _check_origin(headers: Headers, allowed_origins: Collection[str]) -> None:
    """Refuses pages of strangers. A client without an origin is no browser and passes: the ticket is what lets in.

    A page of the same host name, on whatever port, passes too: browsers do not tell ports apart for cookies either, and the
    portal of a small installation stands beside its gateway under any name or address that people call it by.
    """
    try:
        origin, host = headers.get("Origin"), headers.get("Host")
    except MultipleValuesError:
        raise _bad_request() from None
    if origin is None or origin.lower() in allowed_origins:
        return
    name = _host_name(origin)
    if name is None or host is None or name != _host_name(f"http://{host}"):
        raise RequestRefused(403, "origin_refused", "pages of this origin may not open consoles here")


def _host_name(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        return parts.hostname if parts.scheme in {"http", "https"} else None
    except ValueError:
        return None


def _bad_request() -> RequestRefused:
    return RequestRefused(400, "bad_request", "this is no request that can be understood")


def answer(status: int, content_type: str, body: bytes, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A whole HTTP answer, after which the connection ends."""
    fields = Headers(
        [
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Connection", "close"),
            *headers,
        ]
    )
    return Response(status, http.HTTPStatus(status).phrase, fields, body).serialize()


def refusal(refused: RequestRefused) -> bytes:
    """The answer to a request that is refused: a problem in JSON (RFC 9457)."""
    problem = {"status": refused.status, "code": refused.code, "title": refused.message}
    return answer(refused.status, "application/problem+json", json.dumps(problem).encode(), refused.headers)
