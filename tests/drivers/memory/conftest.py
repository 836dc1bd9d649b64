"""A memory cloud whose time stands still until a test moves it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from yunzhuo.phoenix.cloud import memory
from yunzhuo.phoenix.cloud.memory import Control, MemoryCloud
from yunzhuo.phoenix.cloud.resources import Server, ServerRequest
from yunzhuo.phoenix.common.clock import FixedClock
from yunzhuo.phoenix.config.settings import CloudSettings, Settings

START = datetime(2024, 9, 2, 8, 0, tzinfo=UTC)


def make_request(tag: str = "one", **more: Any) -> ServerRequest:
    """A request for a small server with this tag."""
    return ServerRequest(
        desktop_id=tag, name=f"name of {tag}", hostname=f"host-{tag}", image_id="linux-desktop", flavor_id="small", **more
    )


class Bench:
    """A memory cloud with its clock, and short words for what tests do with it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = FixedClock(START)
        self.cloud: MemoryCloud = memory.connect(settings, clock=self.clock)
        self.control: Control = self.cloud.control
        self.control.change_options(seed=1)

    def wait(self, seconds: float) -> None:
        """Let the cloud's time pass."""
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    def create_ready(self, tag: str = "one") -> Server:
        """A server that runs and whose guest answers."""
        server = self.cloud.servers.create(make_request(tag))
        self.wait(1)
        assert self.cloud.guest.ready(server.id)
        return self.cloud.servers.get(server.id)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(Settings(home=tmp_path, cloud=CloudSettings(driver="memory", timeout_seconds=0.3)))
    yield bench
    bench.cloud.close()
