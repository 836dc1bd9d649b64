"""Stopping all machines while another process holds the state folder and is of no help."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support.left_host import settings_with_image
from yunzhuo.host import sockets
from yunzhuo.host.server import stop_all
from yunzhuo.phoenix.cloud.errors import CloudUnavailable
from yunzhuo.phoenix.common import lock
from yunzhuo.phoenix.config.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = settings_with_image(tmp_path / "var")
    settings.host_socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return settings


class _Fails(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(500)
        self.end_headers()

    def address_string(self) -> str:
        return "a unix socket"


@contextmanager
def host_that_fails(settings: Settings) -> Iterator[None]:
    """A host process that answers everything with an error."""
    server = HTTPServer(("", 0), _Fails, bind_and_activate=False)
    server.socket.close()
    with sockets.listen(settings.host_socket) as server.socket:
        serving = threading.Thread(target=server.handle_request)
        serving.start()
        yield
        serving.join()


def test_a_host_process_that_is_just_ending_is_waited_for(settings: Settings) -> None:
    holds = threading.Event()

    def be_a_host_that_ends() -> None:
        with lock.hold(settings.host_socket.with_name("host.lock")), sockets.listen(settings.host_socket) as listener:
            holds.set()
            # Whoever asks it now is hung up on.
            listener.accept()[0].close()

    ending = threading.Thread(target=be_a_host_that_ends)
    ending.start()
    holds.wait()
    assert stop_all(settings) == 0
    ending.join()


def test_a_host_process_that_cannot_stop_them_is_told(settings: Settings) -> None:
    with (
        lock.hold(settings.host_socket.with_name("host.lock")),
        host_that_fails(settings),
        pytest.raises(CloudUnavailable, match="answered 500"),
    ):
        stop_all(settings)
