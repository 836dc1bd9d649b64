"""A proxy in front of one of the cloud's services that delays, refuses, garbles or loses answers, as it is told."""

import http.client
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Trouble:
    """What becomes of the next ``count`` requests whose method and path match ``pattern`` (``POST /servers$``).

    ``status``: answered so, and not passed on. ``lost``: passed on, and the connection cut instead of an answer. ``cut``:
    cut at once. ``garbled``: passed on, and half of the answer's body given. ``delay_seconds`` comes before each of these.
    """

    pattern: str
    count: int = 1
    status: int = 0
    lost: bool = False
    cut: bool = False
    garbled: bool = False
    changed: Callable[[Any], Any] | None = None
    delay_seconds: float = 0


@dataclass
class BreakingProxy:
    """``calls`` are the requests that came, as METHOD PATH."""

    target: str
    port: int = 0
    calls: list[str] = field(default_factory=list)
    _troubles: list[Trouble] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """The proxy's address in place of the service's."""
        return f"http://127.0.0.1:{self.port}{urlsplit(self.target).path}"

    def trouble(self, pattern: str, **what: Any) -> None:
        """Let there be trouble from now on."""
        with self._lock:
            self._troubles.append(Trouble(pattern, **what))

    def clear(self) -> None:
        """Let there be none."""
        with self._lock:
            self._troubles.clear()
            self.calls.clear()

    def take(self, call: str) -> Trouble:
        """The trouble that meets a request; counted."""
        with self._lock:
            self.calls.append(call)
            for trouble in self._troubles:
                if trouble.count and re.search(trouble.pattern, call):
                    trouble.count -= 1
                    return trouble
        return Trouble("")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: BreakingProxy

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        trouble = self.proxy.take(f"{self.command} {self.path.partition('?')[0]}")
        time.sleep(trouble.delay_seconds)
        if trouble.status:
            self._answer(trouble.status, [("x-openstack-request-id", "req-of-the-proxy")], b'{"error": {"message": "broken"}}')
        elif not trouble.cut:
            status, headers, content = self._ask(body)
            if trouble.garbled:
                content = content[: len(content) // 2]
            if trouble.changed:
                content = json.dumps(trouble.changed(json.loads(content))).encode()
            if not trouble.lost:
                self._answer(status, headers, content)
        self.close_connection = True

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        target = urlsplit(self.proxy.target)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=120)
        try:
            # With the proxy's own name as Host: what a service says of its addresses then leads through the proxy again.
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _pass_on  # noqa: N815 (names of http.server)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has hung up is what these tests are about."""


@contextmanager
def breaking_proxy(target: str) -> Iterator[BreakingProxy]:
    """A proxy in front of the service at ``target``, on a port of the loopback."""
    proxy = BreakingProxy(target)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
