"""Waiting for what a cloud has accepted."""

from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Server, ServerStatus


def eventually_is(cloud: Cloud, server_id: str, status: ServerStatus, timeout_seconds: float) -> Server:
    """The server once it has the status; fails at once when it goes into ERROR instead."""

    def ask() -> Server | None:
        server = cloud.servers.get(server_id)
        assert status is ServerStatus.ERROR or server.status is not ServerStatus.ERROR, server.fault
        return server if server.status is status else None

    return eventually(ask, timeout_seconds, what=f"status {status.value}")
