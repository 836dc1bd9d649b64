"""Throws changed and random bytes at the gateway's protocol code for a while: ``python -m tests.gateway.fuzz SECONDS [SEED]``.

Whatever comes, nothing but a ProtocolError may be raised, the result may not depend on the portions, no more may be kept
than the limits say, and what the library `websockets` refuses is refused. The seed is printed; with it, the run repeats.
"""

import random
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from tests.gateway.spice import link_message, link_reply, proof
from yunzhuo.gateway.protocol.errors import ProtocolError
from yunzhuo.gateway.protocol.policy import Messages, Policy
from yunzhuo.gateway.protocol.rfb import ScreenSecurity, ViewerSecurity
from yunzhuo.gateway.protocol.rfb_messages import ViewerMessages
from yunzhuo.gateway.protocol.spice import SpiceLink
from yunzhuo.gateway.protocol.spice_link import ScreenLink, ServerKey, ViewerLink
from yunzhuo.gateway.protocol.spice_messages import AgentMessages, InputMessages
from yunzhuo.gateway.protocol.upgrade import RequestReader, console_request
from yunzhuo.gateway.protocol.websocket import Close, FrameDecoder

STRICT = Policy(view_only=True, clipboard_to_desktop=False, clipboard_from_desktop=False)
CLIPBOARD = b"\1\0\0\0secret of the clipboard"
SERVER_KEY = ServerKey()
MAX_FRAME_BYTES = 70_000
MAX_HEAD_BYTES = 1000
MAX_LINK_BYTES = 500
SHOWN_BYTES = 200
_REQUEST = (
    b"GET /v1/console HTTP/1.1\r\nHost: a.test:8081\r\nOrigin: http://a.test:8080\r\nConnection: keep-alive, Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: binary, ticket.0123456789abcdef0123456789abcdef\r\n\r\n"
)
_SCREENS = (
    b"RFB 003.008\n\2\1\2" + bytes(16) + b"\0\0\0\1\0\0\0\4oh!!",
    b"RFB 003.007\n\1\1",
    b"RFB 003.003\n\0\0\0\2" + bytes(20),
    b"RFB 003.008\n\0\0\0\0\4oh!!",
)


@dataclass(frozen=True)
class Outcome:
    """What a machine made of a stream: the error, if any, and what it understood."""

    error: str
    understood: object


def frames(parts: list[bytes]) -> Outcome:
    decoder = FrameDecoder(max_frame_bytes=MAX_FRAME_BYTES)
    payload = b""
    try:
        for part in parts:
            payload += b"".join(decoder.receive(part))
    except ProtocolError as error:
        return Outcome(str(error), None)
    closed: Close | None = decoder.closed
    return Outcome("", (payload, decoder.ping, closed))


def request(parts: list[bytes]) -> Outcome:
    reader = RequestReader(max_bytes=MAX_HEAD_BYTES)
    try:
        for number, part in enumerate(parts):
            found = reader.receive(part)
            if found is not None:
                rest = reader.take_rest() + b"".join(parts[number + 1 :])
                return Outcome("", (console_request(found, allowed_origins=frozenset()).ticket, rest))
    except ProtocolError as error:
        return Outcome(str(error), None)
    kept = len(reader.take_rest())
    assert kept <= MAX_HEAD_BYTES
    return Outcome("", kept)


def screen(parts: list[bytes]) -> Outcome:
    return _shake(ScreenSecurity(password="sesame42", max_reason_bytes=100), parts)


def viewer(parts: list[bytes]) -> Outcome:
    return _shake(ViewerSecurity(), parts)


def _shake(security: ScreenSecurity | ViewerSecurity, parts: list[bytes]) -> Outcome:
    answered = b""
    try:
        for part in parts:
            answered += security.receive(part)
    except ProtocolError as error:
        return Outcome(str(error), None)
    rest = security.take_rest()
    assert security.done or len(rest) < 256
    return Outcome("", (answered, rest, security.done))


def spice_viewer(parts: list[bytes]) -> Outcome:
    between = SpiceLink(password="sesame42", max_message_bytes=MAX_LINK_BYTES)
    passed = b""
    try:
        for part in parts:
            turn = between.from_viewer(part)
            assert turn.to_viewer == b""
            passed += turn.to_screen
    except ProtocolError as error:
        return Outcome(str(error), None)
    return Outcome("", passed)


def spice_screen(parts: list[bytes]) -> Outcome:
    between = SpiceLink(password="sesame42", max_message_bytes=MAX_LINK_BYTES)
    between.from_viewer(link_message())
    passed = b""
    try:
        for part in parts:
            turn = between.from_screen(part)
            assert turn.to_screen == b""
            passed += turn.to_viewer
    except ProtocolError as error:
        return Outcome(str(error), None)
    assert not between.done, "without the viewer's proof"
    return Outcome("", passed)


def rfb_viewer(parts: list[bytes]) -> Outcome:
    """With a policy that forbids all that one can, so that everything is looked at."""
    return _passed(ViewerMessages(STRICT, lambda: None), parts, kept=4 * 257 + 16)


def spice_inputs(parts: list[bytes]) -> Outcome:
    return _passed(InputMessages(is_mini=True, is_dropped=True, note_input=lambda: None), parts, kept=6)


def spice_agent(parts: list[bytes]) -> Outcome:
    """What passes has the length of what came: the two sides count."""
    messages = AgentMessages(is_mini=True, carrier=107, forbidden=frozenset({4, 7, 9, 10, 11, 12}))
    outcome = _passed(messages, parts, kept=65536)
    if not outcome.error and isinstance(outcome.understood, bytes):
        assert len(outcome.understood) <= sum(map(len, parts))
    return outcome


def _passed(messages: Messages, parts: list[bytes], *, kept: int) -> Outcome:
    passed = b""
    try:
        for part in parts:
            passed += messages.receive(part)
    except ProtocolError as error:
        return Outcome(str(error), None)
    held = getattr(messages, "_held")  # noqa: B009 (a fuzzer looks at what is kept)
    assert len(held) <= kept
    return Outcome("", passed)


def native_viewer(parts: list[bytes]) -> Outcome:
    link = ViewerLink(SERVER_KEY, max_message_bytes=4096)
    answered = b""
    try:
        for part in parts:
            answered += link.receive(part)
            if link.ticket is not None:
                break
    except ProtocolError as error:
        return Outcome(str(error), None)
    return Outcome("", (answered, link.ticket, link.channel))


def native_screen(parts: list[bytes]) -> Outcome:
    link = ScreenLink(link_message(), is_mini=True, password="sesame42", max_message_bytes=4096)
    answered = 0
    try:
        for part in parts:
            answered += len(link.receive(part))  # an encrypted password is another one each time
    except ProtocolError as error:
        return Outcome(str(error), None)
    return Outcome("", (answered, link.done))


def some_messages(dice: random.Random) -> bytes:
    """What a VNC viewer says, in any order."""
    said = b"\1"
    for _ in range(dice.randint(1, 8)):
        text = dice.randbytes(dice.choice((0, 5, 300)))
        said += dice.choice(
            (
                b"\3\1\0\0\0\0\4\0\3\0",
                b"\4\1\0\0\0\0\0A",
                b"\5\0\0\1\0\1",
                b"\6\0\0\0" + len(text).to_bytes(4, "big") + text,
                b"\6\0\0\0" + (-len(text)).to_bytes(4, "big", signed=True) + text,
                b"\2\0\0\2\0\0\0\7\xc0\xa1\xe5\xce",
                b"\xff\0\0\1\0\0\0A\0\0\0\x1e",
                b"\xff\1\0\2\3\2\0\0\xac\x44",
                b"\xfb\0\4\0\3\0\1\0" + bytes(16),
                b"\xf8\0\0\0\0\0\0\1\2hi",
            )
        )
    return said


def some_agent_messages(dice: random.Random) -> bytes:
    said = b""
    for _ in range(dice.randint(1, 6)):
        body = dice.choice((CLIPBOARD, dice.randbytes(dice.randrange(60))))
        agent = struct.pack("<IIQI", 1, dice.choice((1, 4, 6, 7, 10, 12)), 0, len(body)) + body
        said += struct.pack("<HI", dice.choice((107, 107, 101, 3)), len(agent)) + agent
    return said


def some_inputs(dice: random.Random) -> bytes:
    return b"".join(
        struct.pack("<HI", dice.choice((101, 102, 112, 2, 3)), size) + dice.randbytes(size)
        for size in (dice.randrange(20) for _ in range(dice.randint(1, 8)))
    )


def some_frames(dice: random.Random) -> bytes:
    kinds = (Opcode.BINARY, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG, Opcode.CLOSE, Opcode.TEXT)
    sizes = (0, 1, 2, 5, 125, 126, 300, 66_000)
    wire = b""
    for _ in range(dice.randint(1, 5)):
        opcode = dice.choices(kinds, (20, 20, 4, 4, 4, 1, 1))[0]
        payload = dice.randbytes(dice.choice(sizes[:4] if opcode >= Opcode.CLOSE else sizes))
        if opcode is Opcode.CLOSE and dice.random() < 0.8:
            payload = dice.choice((1000, 1001, 3000, 4999)).to_bytes(2, "big")
        wire += Frame(opcode, payload, fin=opcode >= Opcode.CLOSE or dice.random() < 0.8).serialize(mask=True)
    return wire


TARGETS: tuple[tuple[Callable[[list[bytes]], Outcome], Callable[[random.Random], bytes]], ...] = (
    (frames, some_frames),
    (request, lambda _dice: _REQUEST),
    (screen, lambda dice: dice.choice(_SCREENS)),
    (spice_viewer, lambda dice: link_message(dice.randrange(12)) + proof()),
    (spice_screen, lambda dice: link_reply(error=dice.choice((0, 0, 0, 7)))),
    (rfb_viewer, some_messages),
    (spice_inputs, some_inputs),
    (spice_agent, some_agent_messages),
    (native_viewer, lambda dice: link_message(dice.randrange(12)) + proof()),
    (native_screen, lambda dice: link_reply(error=dice.choice((0, 0, 0, 7))) + bytes(4) + dice.randbytes(9)),
    (viewer, lambda dice: dice.choice((b"RFB 003.008\n\1", b"RFB 003.003\n"))),
)


def change(dice: random.Random, data: bytes) -> bytes:
    """Up to four changes: a byte, a hole, an insertion, a repetition, an early end."""
    changed = bytearray(data)
    for _ in range(dice.randint(0, 4)):
        place = dice.randrange(len(changed) + 1)
        match dice.randrange(5):
            case 0 if place < len(changed):
                changed[place] = dice.randrange(256)
            case 1:
                del changed[place : place + dice.randint(1, 8)]
            case 2:
                changed[place:place] = dice.randbytes(dice.randint(1, 8))
            case 3:
                changed += changed[place : place + 2000]
            case _:
                del changed[place:]
    return bytes(changed)


def portions(dice: random.Random, data: bytes) -> list[bytes]:
    edges = sorted({0, len(data), *(dice.randrange(len(data) + 1) for _ in range(dice.randint(0, 12)))})
    return [data[start:end] for start, end in pairwise(edges)]


def library_takes(wire: bytes) -> bool:
    """Whether `websockets` takes a stream. It is stricter than RFC 6455 section 5.4 on a Close within a message."""
    protocol = ServerProtocol(state=State.OPEN, max_size=None)
    protocol.receive_data(wire)
    return protocol.parser_exc is None or str(protocol.parser_exc) == "incomplete fragmented message"


def one_round(dice: random.Random) -> None:
    """One stream through one machine, whole and in portions."""
    run, make = dice.choice(TARGETS)
    data = dice.randbytes(dice.randrange(200)) if dice.random() < 0.1 else change(dice, make(dice))
    whole, cut = run([data]), run(portions(dice, data))
    # A refusal may come at another byte of a stream that has two mistakes, but it comes.
    what = f"{run.__name__} {data[:SHOWN_BYTES].hex()}"
    assert bool(whole.error) == bool(cut.error), what
    assert whole.understood == cut.understood, what
    if run is frames and not whole.error:
        assert library_takes(data), what


def main(seconds: float, seed: int) -> int:
    """The number of rounds that went well in ``seconds``."""
    print(f"seed {seed}", flush=True)
    dice = random.Random(seed)
    deadline = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < deadline:
        one_round(dice)
        rounds += 1
    print(f"{rounds} rounds, nothing wrong", flush=True)
    return rounds


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32))
