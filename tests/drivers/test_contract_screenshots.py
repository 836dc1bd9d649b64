"""Small pictures of screens: as they are, as they were before the end, and never of what is not there any more."""

import io
from datetime import UTC, datetime

import pytest
from PIL import Image

from tests.drivers.desktops import Desktops
from tests.drivers.waiting import eventually_is
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.errors import NoScreenshot, ServerBusy, ServerNotFound
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Screenshot, Server, ServerStatus, Snapshot
from yunzhuo.phoenix.common.pictures import LARGEST

pytestmark = pytest.mark.needs("servers.screenshot")


def looked_at(screenshot: Screenshot) -> Image.Image:
    """The picture, which must be one."""
    picture = Image.open(io.BytesIO(screenshot.content), formats=["JPEG"])
    picture.load()
    assert 0 < picture.width <= LARGEST[0]
    assert 0 < picture.height <= LARGEST[1]
    return picture


def test_a_running_server_shows_its_screen_now(cloud: Cloud, shared_server: Server) -> None:
    before = datetime.now(UTC)
    taken = cloud.servers.screenshot(shared_server.id)
    assert before <= taken.taken_at <= datetime.now(UTC)
    colors = looked_at(taken).getcolors(maxcolors=1 << 20)
    assert colors is not None
    assert len(colors) > 16  # a desktop, not a dark screen


def test_a_server_that_is_not_there_has_no_screen(cloud: Cloud) -> None:
    with pytest.raises(ServerNotFound):
        cloud.servers.screenshot("no-such-server")


def rolls_back(cloud: Cloud, snapshot: Snapshot) -> bool:
    """Whether the server is not busy with the snapshot any more, and takes the verb."""
    try:
        cloud.servers.roll_back(snapshot.server_id, snapshot.id)
    except ServerBusy:
        return False
    return True


@pytest.mark.needs("servers.suspend", "servers.resume")
def test_a_suspended_and_a_stopped_server_show_what_was_there_before(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready()
    for verb, status in ((cloud.servers.suspend, ServerStatus.SUSPENDED), (cloud.servers.stop, ServerStatus.STOPPED)):
        asked_at = datetime.now(UTC)
        verb(server.id)
        eventually_is(cloud, server.id, status, patience)
        kept = cloud.servers.screenshot(server.id)
        looked_at(kept)
        assert asked_at <= kept.taken_at <= datetime.now(UTC)
        assert cloud.servers.screenshot(server.id) == kept
        if status is ServerStatus.SUSPENDED:
            cloud.servers.resume(server.id)
            eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)


@pytest.mark.needs("servers.rebuild")
def test_a_rebuilt_server_does_not_show_what_is_gone(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_stopped()
    looked_at(cloud.servers.screenshot(server.id))
    cloud.servers.rebuild(server.id, server.image_id)
    eventually_is(cloud, server.id, ServerStatus.STOPPED, patience)
    with pytest.raises(NoScreenshot):
        cloud.servers.screenshot(server.id)


@pytest.mark.needs("servers.snapshot", "servers.roll_back")
def test_a_rolled_back_server_does_not_show_what_is_gone(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_stopped()
    snapshot = cloud.servers.snapshot(server.id, "before")
    eventually_is(cloud, server.id, ServerStatus.STOPPED, patience)
    eventually(lambda: rolls_back(cloud, snapshot), patience)
    eventually_is(cloud, server.id, ServerStatus.STOPPED, patience)
    with pytest.raises(NoScreenshot):
        cloud.servers.screenshot(server.id)
