"""Making and removing the servers of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

from tests.drivers.waiting import eventually_is
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Server, ServerRequest, ServerStatus
from yunzhuo.phoenix.common.ids import new_id


class Desktops:
    """Servers of the default image and the smallest flavor, each with a tag of its own."""

    def __init__(self, cloud: Cloud, patience_seconds: float) -> None:
        self._cloud = cloud
        self._patience_seconds = patience_seconds
        self._tags: dict[str, str | None] = {}  # and the project that each is in

    def request(self, **changes: Any) -> ServerRequest:
        """A request that the cloud can grant, with some fields changed."""
        tag = new_id()
        image, flavor = self._cloud.images.list()[0], self._cloud.flavors.list()[0]
        request = ServerRequest(
            desktop_id=tag, name=f"desktop {tag[:4]}", hostname=f"d-{tag[:8]}", image_id=image.id, flavor_id=flavor.id
        )
        request = replace(request, **changes)
        self._tags[request.desktop_id] = request.project_id
        return request

    def create(self, **changes: Any) -> Server:
        """A server that may still be building."""
        return self._cloud.servers.create(self.request(**changes))

    def create_running(self, **changes: Any) -> Server:
        """A server that runs."""
        server = self.create(**changes)
        return eventually_is(self._cloud, server.id, ServerStatus.RUNNING, self._patience_seconds)

    def create_ready(self, **changes: Any) -> Server:
        """A server whose guest answers."""
        server = self.create_running(**changes)
        self.wait_ready(server.id)
        return server

    def create_stopped(self, **changes: Any) -> Server:
        """A server that was stopped."""
        server = self.create_running(**changes)
        self._cloud.servers.stop(server.id)
        return eventually_is(self._cloud, server.id, ServerStatus.STOPPED, self._patience_seconds)

    def wait_ready(self, server_id: str) -> None:
        """Wait until the guest answers."""
        eventually(lambda: self._cloud.guest.ready(server_id), self._patience_seconds, what="a ready guest")

    def remove(self, tag: str) -> None:
        """Delete what carries the tag and wait until it is gone."""
        place = self._tags.get(tag)
        server = self._cloud.servers.find(tag, place)
        if server is not None:
            self._cloud.servers.delete(server.id)
            eventually(lambda: self._cloud.servers.find(tag, place) is None, self._patience_seconds, what="a deletion")

    @contextmanager
    def all_removed(self) -> Iterator[Self]:
        """Remove everything at the end."""
        try:
            yield self
        finally:
            for tag in self._tags:
                self.remove(tag)
