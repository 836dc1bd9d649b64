"""One click, as a page does it: ask for a desktop, follow its events, open its screen, see the first picture."""

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from httpx import codes
from tests.support.recording.calls import Recorded, read_recording
from tests.support.running import answer_of
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

_HOOK = Path(__file__).parent / "hook"
_AVAILABLE_SECONDS = 120

# RFC 6143: ProtocolVersion (7.1.1), SecurityType None (7.1.2), ClientInit shared (7.3.1).
_VIEWER_SAYS = (b"RFB 003.008\n", b"\x01", b"\x01")
_PICTURE_BYTES = 4 + 12 + 64  # FramebufferUpdate's head (7.6.1), a rectangle's, and some pixels


@contextmanager
def recorded_processes(folder: Path) -> Iterator[None]:
    """Processes started meanwhile record their calls in ``folder``."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CALL_RECORDING_FOLDER", str(folder))
        environment.setenv("PYTHONPATH", str(_HOOK), prepend=os.pathsep)
        yield


def recorded_click(api: httpx.Client, folder: Path, *, name: str) -> Sequence[Recorded]:
    """Do it, and answer what was recorded in ``folder`` meanwhile. The desktop stays."""
    wish = {kind: answer_of(api.get(f"{kind}s"), 200)["items"][0]["id"] for kind in ("image", "flavor")}
    begun_at = time.monotonic_ns()
    # The stream stays open to the end: when its end is noticed is nobody's business here.
    with api.stream("GET", "events", timeout=_AVAILABLE_SECONDS) as events:
        assert events.status_code == codes.OK
        desktop_id = answer_of(api.post("desktops", json={**wish, "name": name}), 202)["desktop"]["id"]
        lines = events.iter_lines()  # giving it up would end the stream
        _await_available(lines, desktop_id)
        connection = answer_of(api.post(f"desktops/{desktop_id}/connections", json={"protocol": "vnc"}), 201)
        offered = [Subprotocol("binary"), Subprotocol(connection["subprotocol"])]
        with connect(connection["url"], subprotocols=offered, proxy=None) as screen:
            _see_the_first_picture(screen)
            ended_at = time.monotonic_ns()
    return [recorded for recorded in read_recording(folder) if begun_at <= recorded.at_ns <= ended_at]


def _await_available(lines: Iterable[str], desktop_id: str) -> None:
    for line in lines:
        if line.startswith("data:"):
            data = json.loads(line.removeprefix("data:"))
            if data["object_id"] == desktop_id and data["state"] not in ("building", "available"):
                raise AssertionError(f"the desktop was not made: {data}")
            if data["object_id"] == desktop_id and data["state"] == "available":
                return
    raise AssertionError("the event stream ended")


def _see_the_first_picture(screen: ClientConnection) -> None:
    """The viewer's side of RFB, up to the first picture."""
    reader = _Reader(screen)
    assert reader.read(12).startswith(b"RFB ")
    screen.send(_VIEWER_SAYS[0])
    assert reader.read(2) == b"\x01\x01"  # one security type, and that is None
    screen.send(_VIEWER_SAYS[1])
    assert reader.read(4) == bytes(4)  # SecurityResult: OK
    screen.send(_VIEWER_SAYS[2])
    width, height = reader.number(2), reader.number(2)
    reader.read(16)  # pixel format
    reader.read(reader.number(4))  # name
    size = width.to_bytes(2, "big") + height.to_bytes(2, "big")
    screen.send(b"\x03\x00" + bytes(4) + size)  # FramebufferUpdateRequest, all of it (7.5.3)
    assert reader.read(_PICTURE_BYTES)[:1] == b"\x00"  # FramebufferUpdate


class _Reader:
    """Bytes out of messages."""

    def __init__(self, screen: ClientConnection) -> None:
        self._screen = screen
        self._rest = b""

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        while len(self._rest) < size:
            message = self._screen.recv(timeout=30)
            assert isinstance(message, bytes)
            self._rest += message
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def number(self, size: int) -> int:
        """The next ``size`` bytes as a number."""
        return int.from_bytes(self.read(size), "big")
