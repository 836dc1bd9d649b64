"""Word of changes, where a cloud sends it: it comes while somebody listens, soon, and names the server."""

import time

import pytest

from tests.drivers.desktops import Desktops
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.interface import Cloud

pytestmark = pytest.mark.needs("notices.listen")


def test_what_becomes_of_a_server_is_told(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    cloud.notices.listen(0)
    server = desktops.create_ready()
    told: list[str] = []

    def is_told() -> bool:
        told.extend(notice.server_id for notice in cloud.notices.listen(0.5).notices)
        return server.id in told

    eventually(is_told, patience, what="word of a new server")
    told.clear()
    while cloud.notices.listen(0.2).received:
        pass
    cloud.servers.stop(server.id)
    eventually(is_told, patience, what="word of a server that stops")


def test_nobody_is_kept_longer_than_they_said(cloud: Cloud) -> None:
    while cloud.notices.listen(0.2).received:
        pass
    began = time.monotonic()
    cloud.notices.listen(0.2)
    assert time.monotonic() - began < 5
