"""What the host says over the wire becomes the errors of the cloud interface."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.phoenix.cloud import connect
from yunzhuo.phoenix.cloud.errors import (
    CloudNotOffered,
    CloudUnavailable,
    FlavorNotFound,
    GuestUnreachable,
    ImageNotFound,
    NoCapacity,
    ServerBusy,
    ServerNotFound,
    SnapshotNotFound,
)
from yunzhuo.phoenix.cloud.local.connection import Connection, error_of
from yunzhuo.phoenix.cloud.local.wire import Problem, from_segment, to_segment
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound, YunzhuoError
from yunzhuo.phoenix.config.settings import Settings


@pytest.mark.parametrize(
    "error",
    [
        ServerNotFound("s"),
        ImageNotFound("i"),
        FlavorNotFound("f"),
        SnapshotNotFound("n"),
        ServerBusy("It is stopping.", server_id="s"),
        NoCapacity("No memory.", free_mib=3),
        GuestUnreachable("s"),
        CloudNotOffered("snapshots"),
        CloudUnavailable("QEMU is not there."),
        NotFound("network_not_found", "No such network.", network_id="n"),
        InvalidInput("Too small.", code="flavor_too_small", fields={"flavor": "too small"}),
    ],
)
def test_errors_come_out_as_they_went_in(error: YunzhuoError) -> None:
    kinds = {NotFound: "not_found", InvalidInput: "invalid_input"}
    kind = next((name for branch, name in kinds.items() if isinstance(error, branch)), "broken")
    problem = Problem(code=error.code, kind=kind, message=error.message, details=error.details)
    there = error_of(Problem.model_validate_json(problem.model_dump_json()))
    assert (type(there), there.message) == (type(error), error.message)
    if type(error) is not CloudUnavailable:
        assert (there.code, dict(there.details)) == (error.code, dict(error.details))


def test_an_unknown_failure_is_the_clouds() -> None:
    there = error_of(Problem(code="machine_failed", kind="broken", message="QEMU did not start: no"))
    assert isinstance(there, CloudUnavailable)
    assert there.message == "QEMU did not start: no"


@given(st.text())
def test_any_id_survives_its_way_through_an_address(text: str) -> None:
    segment = to_segment(text)
    assert from_segment(segment) == text
    assert segment
    assert not set(segment) & set("/?#% ")
    assert segment not in (".", "..")


def test_without_a_host_every_call_says_so(tmp_path: Path) -> None:
    cloud = connect(Settings(home=tmp_path))
    for _ in range(2):
        with pytest.raises(CloudUnavailable, match="`yunzhuo host` does not run"):
            cloud.check()
    cloud.close()
    cloud.close()


class _Host(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/slow":
            threading.Event().wait(0.5)
        body = b"not JSON" if self.path == "/broken" else str(id(self.connection)).encode()
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def host_at(path: Path) -> Iterator[None]:
    path.unlink(missing_ok=True)
    with ThreadingUnixStreamServer(str(path), _Host) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield
        finally:
            server.shutdown()
            serving.join()


def test_a_connection_is_used_again_and_made_again(tmp_path: Path) -> None:
    connection = Connection(tmp_path / "host.sock", timeout_seconds=5)
    with host_at(tmp_path / "host.sock"):
        first = connection.call("GET", "/")
        assert connection.call("GET", "/") == first
    connection.close()
    with host_at(tmp_path / "host.sock"):
        assert connection.call("GET", "/")
    connection.close()


def test_a_slow_or_broken_host_is_unavailable(tmp_path: Path) -> None:
    connection = Connection(tmp_path / "host.sock", timeout_seconds=0.1)
    with host_at(tmp_path / "host.sock"):
        with pytest.raises(CloudUnavailable, match="did not answer within"):
            connection.call("GET", "/slow")
        with pytest.raises(CloudUnavailable, match="answered 500"):
            connection.call("GET", "/broken")
        assert connection.call("GET", "/slow", extra_seconds=5)
    connection.close()


def test_many_threads_may_use_it(tmp_path: Path) -> None:
    connection = Connection(tmp_path / "host.sock", timeout_seconds=5)
    answers: list[bytes] = []
    with host_at(tmp_path / "host.sock"):
        threads = [threading.Thread(target=lambda: answers.append(connection.call("GET", "/"))) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(answers) == 20
    connection.close()
