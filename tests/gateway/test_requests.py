"""Requests: what is a wish for a console, and what is not."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.http11 import Request

from tests.gateway.test_frames import cut
from tests.gateway.viewers import upgrade
from yunzhuo.gateway.protocol.errors import RequestRefused
from yunzhuo.gateway.protocol.upgrade import ConsoleRequest, RequestReader, answer, console_request, refusal

TICKET = "tickettickettickettickettickettickettickett"


def read(data: bytes) -> Request:
    request = RequestReader(max_bytes=16384).receive(data)
    assert request is not None
    return request


def wish(*headers: str, ticket: str = TICKET, allowed: tuple[str, ...] = ()) -> ConsoleRequest:
    return console_request(read(upgrade(ticket, *headers)), allowed_origins=frozenset(allowed))


def test_a_console_is_granted_without_an_echo_of_the_ticket() -> None:
    granted = wish()
    assert granted.ticket == TICKET
    head = granted.accepted.decode().lower()
    assert head.startswith("http/1.1 101 ")
    # RFC 6455 section 1.3 has this key and its answer as the example.
    assert "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in head
    assert "sec-websocket-protocol: binary\r\n" in head
    assert "ticket" not in head
    assert TICKET not in repr(granted)


@pytest.mark.parametrize(
    ("offered", "answered"),
    [
        (f"binary, ticket.{TICKET}", "binary"),
        (f"ticket.{TICKET}, binary", "binary"),
        (f"binary, {TICKET}", "binary"),
        (f"ticket.{TICKET}", f"ticket.{TICKET}"),
        (f"ticket.{TICKET}, {TICKET}", f"ticket.{TICKET}"),
    ],
)
def test_ways_to_offer_a_ticket(offered: str, answered: str) -> None:
    head = upgrade(TICKET).replace(f"binary, ticket.{TICKET}".encode(), offered.encode())
    request = RequestReader(max_bytes=8192).receive(head)
    assert request is not None
    granted = console_request(request, allowed_origins=frozenset())
    assert granted.ticket == TICKET
    assert f"Sec-WebSocket-Protocol: {answered}\r\n".encode() in granted.accepted


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=30), st.lists(st.integers(0, 1000), max_size=20))
def test_any_portions_give_the_same(rest: bytes, places: list[int]) -> None:
    reader = RequestReader(max_bytes=16384)
    found = [request for part in cut(upgrade(TICKET), places) if (request := reader.receive(part)) is not None]
    assert [request.path for request in found] == ["/v1/console"]
    reader = RequestReader(max_bytes=16384)
    assert reader.receive(upgrade(TICKET) + rest) is not None
    assert reader.take_rest() == rest


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"", b"GET ", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: "]), st.binary(max_size=300))
def test_garbage_raises_nothing_but_refusals(start: bytes, garbage: bytes) -> None:
    for ending in (b"", b"\r\n\r\n"):
        assert status([start + garbage + ending], max_bytes=200) in {0, 400, 403, 405, 414, 426, 431, 505}


def status(parts: list[bytes], *, max_bytes: int = 16384) -> int:
    """What a request for a console is answered with; 0 when the answer has to wait."""
    reader = RequestReader(max_bytes=max_bytes)
    try:
        for part in parts:
            request = reader.receive(part)
            if request is not None:
                console_request(request, allowed_origins=frozenset())
                return 101
    except RequestRefused as refused:
        return refused.status
    return 0


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["Origin", "Host", "Sec-WebSocket-Protocol", "Upgrade"]), st.text(max_size=60)))
def test_odd_headers_raise_nothing_but_refusals(headers: dict[str, str]) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("utf-8", "replace")
    head = upgrade(TICKET).replace(b"Host: 127.0.0.1\r\n", lines)
    assert status([head]) in {101, 400, 403, 426}


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01", b"RFB 003.008\n", b"\0", b"get / http", b"REDQ\2\0"])
def test_what_is_no_request_is_refused_at_its_first_bytes(garbage: bytes) -> None:
    assert status([garbage]) == 400


def test_a_head_may_not_be_long() -> None:
    assert status([b"GET / HTTP/1.1\r\nX: " + bytes(20)] * 1000, max_bytes=2000) == 431
    assert status([b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n"], max_bytes=100_000) == 414
    assert status([b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n"], max_bytes=100_000) == 431


REFUSED = {
    "plain request": (b"GET /v1/console HTTP/1.1\r\nHost: a\r\n\r\n", 426),
    "not a GET": (upgrade(TICKET).replace(b"GET", b"PUT"), 405),
    "old HTTP": (upgrade(TICKET).replace(b"HTTP/1.1", b"HTTP/1.0"), 505),
    "no key": (upgrade(TICKET).replace(b"Sec-WebSocket-Key", b"X-Key"), 400),
    "old version": (upgrade(TICKET).replace(b"Version: 13", b"Version: 8"), 400),
    "no subprotocols": (upgrade(TICKET).replace(b"Sec-WebSocket-Protocol", b"X-Protocol"), 403),
    "no ticket": (upgrade(TICKET).replace(b", ticket." + TICKET.encode(), b""), 403),
    "two tickets": (upgrade(TICKET, f"Sec-WebSocket-Protocol: ticket.{TICKET}x"), 403),
    "short ticket": (upgrade("short"), 403),
    "long ticket": (upgrade("x" * 1000), 403),
    "broken list": (upgrade(f"{TICKET}, ;"), 400),
    "body": (upgrade(TICKET, "Content-Length: 5"), 400),
    "chunks": (upgrade(TICKET, "Transfer-Encoding: chunked"), 400),
    "two origins": (upgrade(TICKET, "Origin: http://127.0.0.1", "Origin: http://127.0.0.1"), 400),
}


@pytest.mark.parametrize(("head", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(head: bytes, status: int) -> None:
    with pytest.raises(RequestRefused) as caught:
        console_request(read(head), allowed_origins=frozenset())
    assert caught.value.status == status
    assert TICKET.encode() not in refusal(caught.value)
    assert TICKET not in str(caught.value)


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1",
        "http://127.0.0.1:8080",
        "https://127.0.0.1",
        "https://portal.example.test",
        "HTTPS://Portal.Example.Test",
    ],
)
def test_origins_that_may(origin: str) -> None:
    assert wish(f"Origin: {origin}", allowed=("https://portal.example.test",)).ticket == TICKET


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://127.0.0.1.example.test",
        "http://portal.example.test",
        "https://portal.example.test:444",
        "https://portal.example.test.evil.test",
        "file://127.0.0.1",
        "127.0.0.1",
        "http://[::1",
    ],
)
def test_origins_that_may_not(origin: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        wish(f"Origin: {origin}", allowed=("https://portal.example.test",))
    assert (caught.value.status, caught.value.code) == (403, "origin_refused")


def test_a_host_by_another_name() -> None:
    head = upgrade(TICKET, "Origin: http://[fd00::7]:8080").replace(b"Host: 127.0.0.1", b"Host: [fd00::7]:8081")
    assert console_request(read(head), allowed_origins=frozenset()).ticket == TICKET


def test_a_refusal_is_a_problem_in_json() -> None:
    head, _, body = refusal(RequestRefused(503, "busy", "come again", (("Retry-After", "2"),))).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"Retry-After: 2" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body) == {"status": 503, "code": "busy", "title": "come again"}


def test_an_answer_ends_the_connection() -> None:
    assert b"Connection: close" in answer(200, "text/plain", b"hello")
