"""The connection without a cloud: settings that cannot be used, and a cloud that does not answer in time."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from requests import Response

from yunzhuo.phoenix.cloud.errors import CloudUnavailable, NoCapacity, ServerBusy
from yunzhuo.phoenix.cloud.openstack import connect
from yunzhuo.phoenix.cloud.openstack.connection import message_of, refuse
from yunzhuo.phoenix.cloud.openstack.verbs import refusals
from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput, YunzhuoError
from yunzhuo.phoenix.config.settings import Settings


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        yield int(listening.getsockname()[1])


def settings(folder: Path, port: int, **changes: object) -> Settings:
    file = folder / "clouds.yaml"
    auth = {"auth_url": f"http://127.0.0.1:{port}/v3", "username": "u", "password": "p", "project_name": "p"}
    file.write_text(json.dumps({"clouds": {"here": {"auth": auth, "region_name": "one"}}}))
    section = {"clouds_file": str(file), "cloud": "here", **changes}
    return Settings.model_validate({"cloud": {"timeout_seconds": 0.3}, "openstack": section})


def test_a_cloud_that_never_answers_is_waited_for_no_longer_than_told(tmp_path: Path, silent: int) -> None:
    cloud = connect(settings(tmp_path, silent))
    began = time.monotonic()
    with pytest.raises(CloudUnavailable):
        cloud.servers.list()
    assert time.monotonic() - began < 5
    cloud.close()
    cloud.close()


@pytest.mark.parametrize("changes", [{"cloud": "another"}, {"clouds_file": "/no/such/file"}, {"ready_pattern": "("}])
def test_settings_that_cannot_be_used_are_said_at_once(tmp_path: Path, changes: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        connect(settings(tmp_path, 9, **changes))


def answer(status: int, content: bytes, **headers: str) -> Response:
    response = Response()
    response.status_code, response._content, response.reason = status, content, "Reason"
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidInput),
        (403, Forbidden),
        (409, ServerBusy),
        (413, NoCapacity),
        (429, CloudUnavailable),
        (500, CloudUnavailable),
    ],
)
def test_a_refusal_keeps_the_clouds_words_and_its_request_id(status: int, error: type[YunzhuoError]) -> None:
    said = answer(status, b'{"conflictingRequest": {"code": 409, "message": "not\\n now"}}', x_openstack_request_id="req-1")
    with pytest.raises(error) as refusal:
        refuse(said, refusals("server"))
    assert refusal.value.details["cloud_request_id"] == "req-1"
    assert "not now" in refusal.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>", "Reason"),
        (b"[]", "Reason"),
        (b'{"a": {}}', "Reason"),
        (b'{"message": "x"}', "x"),
        (b'{"NeutronError": {"type": "T", "message": "y", "detail": ""}}', "y"),
        (b'{"message": "%s"}' % (b"z" * 9999), "z" * 500),
    ],
)
def test_whatever_a_service_says_is_bounded(content: bytes, said: str) -> None:
    assert message_of(answer(500, content)) == said
