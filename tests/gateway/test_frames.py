"""The frame decoder and encoder, beside the library `websockets` and against every rule of RFC 6455 that is its business."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from tests.gateway.fuzz import library_takes
from tests.gateway.viewers import masked
from yunzhuo.gateway.protocol.errors import FrameError
from yunzhuo.gateway.protocol.websocket import (
    Close,
    FrameDecoder,
    binary_frame,
    binary_header,
    close_frame,
    ping_frame,
    pong_frame,
)

MAX_FRAME_BYTES = 100_000


def decode(parts: list[bytes]) -> tuple[bytes, FrameDecoder]:
    decoder = FrameDecoder(max_frame_bytes=MAX_FRAME_BYTES)
    return b"".join(piece for part in parts for piece in decoder.receive(part)), decoder


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """``data`` in portions, cut at ``places`` (taken modulo its length)."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


def serialized(opcode: Opcode, payload: bytes, *, final: bool = True) -> bytes:
    return Frame(opcode, payload, fin=final).serialize(mask=True)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, bytes, bytes | None]:
    """What a good client sends: the bytes on the wire, the payload in them and the last ping."""
    wire, payload, last_ping = b"", b"", None
    for message in draw(
        st.lists(st.lists(st.binary(max_size=300) | st.integers(0, 70_000).map(bytes), min_size=1), max_size=4)
    ):
        for number, fragment in enumerate(message):
            opcode = Opcode.CONT if number else Opcode.BINARY
            wire += serialized(opcode, fragment, final=number == len(message) - 1)
            payload += fragment
            match draw(st.sampled_from(["", "", "ping", "pong"])):
                case "ping":
                    last_ping = draw(st.binary(max_size=125))
                    wire += serialized(Opcode.PING, last_ping)
                case "pong":
                    wire += serialized(Opcode.PONG, draw(st.binary(max_size=125)))
    return wire, payload, last_ping


@settings(max_examples=80, deadline=None)
@given(streams(), st.lists(st.integers(0, 1 << 20), max_size=30))
def test_any_portions_give_the_same(stream: tuple[bytes, bytes, bytes | None], places: list[int]) -> None:
    wire, payload, last_ping = stream
    for parts in ([wire], cut(wire, places)):
        received, decoder = decode(parts)
        assert received == payload
        assert decoder.take_answers() == (b"" if last_ping is None else pong_frame(last_ping))
        assert decoder.take_answers() == b""
        assert decoder.closed is None


@settings(max_examples=30, deadline=None)
@given(streams())
def test_byte_by_byte(stream: tuple[bytes, bytes, bytes | None]) -> None:
    wire = stream[0][:3000]
    assert decode([wire])[0] == decode([wire[place : place + 1] for place in range(len(wire))])[0]


def library_payload(wire: bytes) -> bytes:
    """The payload that `websockets` finds."""
    protocol = ServerProtocol(state=State.OPEN, max_size=None)
    protocol.receive_data(wire)
    data = (Opcode.BINARY, Opcode.CONT)
    return b"".join(event.data for event in protocol.events_received() if isinstance(event, Frame) and event.opcode in data)


@settings(max_examples=150, deadline=None)
@given(streams(), st.integers(0, 1 << 20), st.integers(0, 255))
def test_a_changed_byte_is_judged_at_least_as_strictly_as_by_the_library(
    stream: tuple[bytes, bytes, bytes | None], place: int, value: int
) -> None:
    wire = bytearray(stream[0] or b"\x82\x80abcd")
    wire[place % min(len(wire), 40)] = value
    decoder = FrameDecoder(max_frame_bytes=1 << 62)
    try:
        received = b"".join(decoder.receive(bytes(wire)))
    except FrameError:
        return
    assert library_takes(bytes(wire))
    assert received.startswith(library_payload(bytes(wire)))  # ours also has the part of a frame that has not ended


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=10))
def test_garbage_raises_nothing_but_frame_errors(parts: list[bytes]) -> None:
    assert close_code(parts) in {0, 1002, 1003, 1007, 1009}


def close_code(parts: list[bytes]) -> int:
    """What the stream has to be closed with; 0 when nothing is wrong with it."""
    decoder = FrameDecoder(max_frame_bytes=MAX_FRAME_BYTES)
    try:
        for part in parts:
            assert sum(map(len, decoder.receive(part))) <= len(part)
    except FrameError as error:
        return error.close_code
    return 0


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300) | st.integers(0, 70_000).map(bytes), st.binary(max_size=125), st.text(max_size=80))
def test_the_library_reads_what_is_encoded(payload: bytes, ping: bytes, reason: str) -> None:
    client = ClientProtocol(parse_uri("ws://gateway/"), state=State.OPEN, max_size=None)
    client.receive_data(binary_frame(payload) + ping_frame(ping) + pong_frame(ping) + close_frame(4001, reason))
    assert client.parser_exc is None
    binary, pinged, ponged, closed = (event for event in client.events_received() if isinstance(event, Frame))
    assert (binary.opcode, binary.data) == (Opcode.BINARY, payload)
    assert (pinged.opcode, pinged.data) == (Opcode.PING, ping)
    assert (ponged.opcode, ponged.data) == (Opcode.PONG, ping)
    assert client.close_rcvd is not None
    assert client.close_rcvd.code == 4001
    assert reason.startswith(client.close_rcvd.reason)
    assert len(closed.data) <= 125


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536, 1 << 32])
def test_headers_have_the_shortest_form(length: int) -> None:
    expected = (
        bytes((0x82, length))
        if length < 126
        else b"\x82\x7e" + length.to_bytes(2, "big")
        if length < 65536
        else b"\x82\x7f" + length.to_bytes(8, "big")
    )
    assert binary_header(length) == expected


VIOLATIONS = {
    "unmasked": (b"\x82\x05hello", 1002),
    "reserved bit": (masked(0xC2, b"hello"), 1002),
    "unknown data opcode": (masked(0x83, b""), 1002),
    "unknown control opcode": (masked(0x8B, b""), 1002),
    "text": (masked(0x81, b"hello"), 1003),
    "continuation of nothing": (masked(0x80, b"hello"), 1002),
    "message within a message": (masked(0x02, b"a") + masked(0x82, b"b"), 1002),
    "ping in fragments": (masked(0x09, b"a"), 1002),
    "ping too long": (b"\x89\xfe\x00\x7eabcd", 1002),
    "long form of a short length": (b"\x82\xfe\x00\x7dabcd", 1002),
    "longest form of a short length": (b"\x82\xff" + (65535).to_bytes(8, "big") + b"abcd", 1002),
    "negative length": (b"\x82\xff" + (1 << 63).to_bytes(8, "big") + b"abcd", 1002),
    "too big": (b"\x82\xff" + (MAX_FRAME_BYTES + 1).to_bytes(8, "big") + b"abcd", 1009),
    "half a close code": (masked(0x88, b"\x03"), 1002),
    "forbidden close code": (masked(0x88, (1006).to_bytes(2, "big")), 1002),
    "close code out of range": (masked(0x88, (5000).to_bytes(2, "big")), 1002),
    "close reason not UTF-8": (masked(0x88, (1000).to_bytes(2, "big") + b"\xff"), 1007),
}


@pytest.mark.parametrize(("wire", "code"), VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_violations(wire: bytes, code: int) -> None:
    for parts in ([wire], [wire[place : place + 1] for place in range(len(wire))]):
        assert close_code(parts) == code


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", Close(1005, "")),
        ((1000).to_bytes(2, "big"), Close(1000, "")),
        ((4321).to_bytes(2, "big") + "再见".encode(), Close(4321, "再见")),
    ],
)
def test_after_a_close_nothing_counts(payload: bytes, expected: Close) -> None:
    received, decoder = decode([masked(0x82, b"before") + masked(0x88, payload) + b"whatever \x00\xff", b"and more"])
    assert received == b"before"
    assert decoder.closed == expected


def test_a_reason_is_cut_between_characters() -> None:
    frame = close_frame(1000, "字" * 60)
    assert len(frame) <= 127
    frame[4:].decode()


def test_close_without_a_code_is_empty() -> None:
    assert close_frame(1005) == b"\x88\x00"
