"""What `yunzhuo agents` passes on of a desktop's agent is a stranger's: whatever comes of it is an answer or a clear error."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from yunzhuo.phoenix.cloud.agents import AgentLine, GuestWithAgent
from yunzhuo.phoenix.cloud.errors import CloudNotOffered, CloudUnavailable
from yunzhuo.phoenix.cloud.interface import Guest


class Agents:
    """In place of `yunzhuo agents`: what it says next, and with which status."""

    def __init__(self) -> None:
        self.said, self.status = b"{}", 200
        agents = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(agents.status)
                self.send_header("Content-Length", str(len(agents.said)))
                self.end_headers()
                self.wfile.write(agents.said)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.line = AgentLine("127.0.0.1", self._server.server_port, "secret")

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class NoGuest:
    """A cloud that offers nothing of its guests."""

    def read_piece(self, server_id: str, path: str, *, offset: int, max_bytes: int) -> None:
        raise CloudNotOffered("files")


@pytest.fixture(scope="module")
def agents() -> Iterator[Agents]:
    found = Agents()
    yield found
    found.close()


@pytest.fixture(scope="module")
def guest(agents: Agents) -> GuestWithAgent:
    return GuestWithAgent(cast("Guest", NoGuest()), agents.line)  # nothing else of it is asked


@given(content=some.text(some.characters(codec="ascii"), max_size=40), size=some.integers(-5, 100))
@example(content="a", size=1)
def test_a_piece_is_bytes_or_cannot_be_read(agents: Agents, guest: GuestWithAgent, content: str, size: int) -> None:
    agents.said, agents.status = json.dumps({"content": content, "size_bytes": size}).encode(), 200
    try:
        piece = guest.read_piece("s1", "a.txt", offset=0, max_bytes=7)
    except CloudUnavailable as refusal:
        told = refusal.message
    else:
        assert piece.content == base64.b64decode(content)[:7]
        assert piece.size_bytes == max(size, 0)
        return
    assert told == "What the desktop's agent said cannot be read."


@pytest.mark.parametrize(
    ("said", "status", "told"),
    [
        (b"not json", 200, "What `yunzhuo agents` said cannot be read."),
        (b'{"files": [{}]}', 200, "What `yunzhuo agents` said cannot be read."),
        (b"{}", 503, "The process `yunzhuo agents` answered 503."),
        (b'{"code": "of_a_newer_agent"}', 200, "The desktop could not do it."),
    ],
)
def test_what_went_wrong_is_told(agents: Agents, said: bytes, status: int, told: str) -> None:
    agents.said, agents.status = said, status
    with pytest.raises(CloudUnavailable) as refusal:
        agents.line.ask("s1", "status", {})
    assert refusal.value.message == told
    assert not agents.line.is_ready("s1")


def test_where_no_agents_can_call_nothing_is_ready() -> None:
    gone = Agents()
    gone.close()
    with pytest.raises(CloudUnavailable, match="does not answer"):
        gone.line.ask("s1", "status", {})
    assert not gone.line.is_ready("s1")
