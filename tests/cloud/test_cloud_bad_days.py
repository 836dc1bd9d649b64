"""Bad days of a real OpenStack: a clear reason with the cloud's request id, and never a server too many."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.drivers.desktops import Desktops
from tests.support.breaking_proxy import BreakingProxy, breaking_proxy
from tests.support.openstack_cloud import OF_THE_SDK, PRETENDED, clouds_file, openstack_settings
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, CloudUnavailable, NoCapacity, ServerBusy, ServerNotFound
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.openstack import connect
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol, RebootKind, ServerStatus
from yunzhuo.phoenix.common.errors import Refused
from yunzhuo.phoenix.config.settings import Settings

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600), OF_THE_SDK]

_PATIENCE = 120.0
_SETTLED_SECONDS = 3.0


@pytest.fixture(scope="module")
def proxy(admin: Any) -> Iterator[BreakingProxy]:
    """In front of Nova."""
    with breaking_proxy(admin.compute.get_endpoint()) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def settings(proxy: BreakingProxy, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of an installation that meets Nova through the proxy."""
    return _settings(tmp_path_factory.mktemp("proxied") / "clouds.yaml", compute_endpoint_override=proxy.url)


@pytest.fixture(scope="module")
def cloud(settings: Settings) -> Iterator[Cloud]:
    cloud = connect(settings)
    yield cloud
    for server in cloud.servers.list():
        cloud.servers.delete(server.id)
    eventually(lambda: not cloud.servers.list(), _PATIENCE)
    cloud.close()


@pytest.fixture
def desktops(cloud: Cloud, proxy: BreakingProxy) -> Iterator[Desktops]:
    proxy.clear()
    with Desktops(cloud, _PATIENCE).all_removed() as desktops:
        yield desktops
        proxy.clear()


def _settings(file: Path, auth: dict[str, str] | None = None, **changes: Any) -> Settings:
    """Settings with a clouds.yaml like the given one, somewhat changed."""
    known = yaml.safe_load(clouds_file().read_text())["clouds"]
    entry = known["yunzhuo"] | changes
    entry["auth"] = entry["auth"] | (auth or {})
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        yaml.safe_dump({"clouds": {"yunzhuo": entry}}, out)
    return openstack_settings(clouds_file=str(file), **PRETENDED)


def test_a_wrong_secret_is_said(tmp_path: Path) -> None:
    cloud = connect(_settings(tmp_path / "clouds.yaml", auth={"application_credential_secret": "wrong"}))
    with pytest.raises(CloudUnavailable, match="credentials"):
        cloud.check()
    cloud.close()


def test_a_cloud_that_is_away_is_said(tmp_path: Path) -> None:
    cloud = connect(_settings(tmp_path / "clouds.yaml", compute_endpoint_override="http://127.0.0.1:9/v2.1"))
    with pytest.raises(CloudUnavailable):
        cloud.servers.list()
    cloud.close()


def test_a_token_that_is_refused_is_renewed(cloud: Cloud, proxy: BreakingProxy) -> None:
    proxy.clear()
    proxy.trouble("GET .*/servers/detail", status=401)
    cloud.servers.list()
    assert [call for call in proxy.calls if call.endswith("/servers/detail")] == ["GET /v2.1/servers/detail"] * 2


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_look_is_repeated_once(cloud: Cloud, proxy: BreakingProxy, status: int) -> None:
    proxy.clear()
    proxy.trouble("GET .*/servers/detail", status=status)
    cloud.servers.list()
    proxy.trouble("GET .*/servers/detail", status=status, count=9)
    with pytest.raises(CloudUnavailable) as failure:
        cloud.servers.list()
    assert failure.value.details["cloud_request_id"] == "req-of-the-proxy"
    assert len(proxy.calls) == 4


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_wish_is_not_repeated(cloud: Cloud, proxy: BreakingProxy, desktops: Desktops, status: int) -> None:
    request = desktops.request()
    proxy.trouble("POST .*/servers$", status=status)
    with pytest.raises(CloudUnavailable) as failure:
        cloud.servers.create(request)
    assert failure.value.details["cloud_request_id"] == "req-of-the-proxy"
    assert [call for call in proxy.calls if call.startswith("POST")] == ["POST /v2.1/servers"]
    assert cloud.servers.find(request.desktop_id) is None


@pytest.mark.parametrize("trouble", [{"lost": True}, {"garbled": True}])
def test_a_create_whose_answer_is_lost_is_made_once(
    cloud: Cloud, proxy: BreakingProxy, desktops: Desktops, trouble: dict[str, bool]
) -> None:
    request = desktops.request()
    proxy.trouble("POST .*/servers$", **trouble)
    with pytest.raises(CloudUnavailable):
        cloud.servers.create(request)
    made = cloud.servers.create(request)
    assert [server.id for server in cloud.servers.list() if server.desktop_id == request.desktop_id] == [made.id]


def test_a_verb_whose_answer_is_lost_was_done(cloud: Cloud, proxy: BreakingProxy, desktops: Desktops) -> None:
    server = desktops.create_running()
    proxy.trouble("POST .*/action", lost=True)
    with pytest.raises(CloudUnavailable):
        cloud.servers.stop(server.id)
    cloud.servers.stop(server.id)
    eventually(lambda: cloud.servers.get(server.id).status is ServerStatus.STOPPED, _PATIENCE)


def test_an_answer_that_comes_too_late_is_not_waited_for(settings: Settings, proxy: BreakingProxy) -> None:
    proxy.clear()
    hasty = connect(settings.model_copy(update={"cloud": settings.cloud.model_copy(update={"timeout_seconds": 0.5})}))
    proxy.trouble("GET .*/servers/detail", count=2, delay_seconds=3)
    with pytest.raises(CloudUnavailable):
        hasty.servers.list()
    hasty.close()


def test_two_processes_that_ask_at_once_get_one_server_or_are_told_to_ask_again(
    settings: Settings, proxy: BreakingProxy, desktops: Desktops
) -> None:
    """Both have found nothing before either asks."""
    request = desktops.request()
    proxy.trouble("POST .*/servers$", count=2, delay_seconds=3)
    one, other = connect(settings), connect(settings)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda cloud: _create(cloud, request), (one, other)))
    assert proxy.calls.count("POST /v2.1/servers") >= 2
    answered = {answer for answer in answers if answer}
    assert len(answered) <= 1

    def staying() -> str | None:
        """What asking again answers, if it is the only one a while later, too.

        Nova may show a server that it let go as one that is being built, for a moment.
        """
        made = _create(one, request)
        time.sleep(_SETTLED_SECONDS)
        left = [each.id for each in one.servers.list() if each.desktop_id == request.desktop_id]
        return made if left == [made] else None

    assert answered <= {eventually(staying, _PATIENCE, what="one server")}
    one.close()
    other.close()


def test_no_host_that_would_take_it_is_an_error_with_its_reason(cloud: Cloud, admin: Any, desktops: Desktops) -> None:
    nowhere = admin.compute.create_flavor(name="nowhere", vcpus=1, ram=512, disk=1)
    admin.compute.create_flavor_extra_specs(nowhere, {"aggregate_instance_extra_specs:kind": "nowhere"})
    with_nowhere = connect(_with(openstack_settings(**PRETENDED), flavors=("nowhere",)))
    request = replace(desktops.request(), flavor_id=nowhere.id)
    try:
        server = with_nowhere.servers.create(request)
        # Nova calls it an error a moment before it says why.
        eventually(lambda: "valid host" in (_failed(with_nowhere, server.id) or ""), _PATIENCE, what="an error with its reason")
        with_nowhere.servers.delete(server.id)
        eventually(lambda: with_nowhere.servers.find(request.desktop_id) is None, _PATIENCE)
    finally:
        with_nowhere.close()
        admin.compute.delete_flavor(nowhere)


def test_a_quota_that_is_used_up_is_said(cloud: Cloud, admin: Any, desktops: Desktops) -> None:
    project = admin.identity.find_project("yunzhuo")
    admin.compute.update_quota_set(project.id, instances=0, force=True)
    try:
        with pytest.raises(NoCapacity, match="quota") as refusal:
            desktops.create()
        assert str(refusal.value.details["cloud_request_id"]).startswith("req-")
    finally:
        admin.compute.update_quota_set(project.id, instances=-1)


def test_an_image_that_was_switched_off_is_refused(cloud: Cloud, admin: Any, desktops: Desktops) -> None:
    image = admin.image.find_image("pretended")
    cloud.images.list()
    request = desktops.request()
    admin.image.deactivate_image(image)
    try:
        with pytest.raises(Refused):
            cloud.servers.create(request)
        assert cloud.servers.find(request.desktop_id) is None
    finally:
        admin.image.reactivate_image(image)


def test_servers_of_others_in_the_project_are_neither_seen_nor_touched(
    cloud: Cloud, settings: Settings, desktops: Desktops
) -> None:
    ours = desktops.create_running()
    others = connect(_with(settings, tag="somebody-else"))
    assert ours.id not in {server.id for server in others.servers.list()}
    for touch in (
        others.servers.get,
        others.servers.stop,
        lambda server_id: others.servers.reboot(server_id, RebootKind.HARD),
        lambda server_id: others.servers.console(server_id, ConsoleProtocol.VNC),
        others.guest.ready,
    ):
        with pytest.raises(Refused):
            touch(ours.id)
    others.servers.delete(ours.id)
    assert cloud.servers.get(ours.id).status is ServerStatus.RUNNING
    others.close()


def test_a_cloud_too_old_is_said(cloud: Cloud, proxy: BreakingProxy, settings: Settings) -> None:
    cloud.check()
    proxy.clear()
    proxy.trouble("POST .*/remote-consoles", status=501)
    with Desktops(cloud, _PATIENCE).all_removed() as desktops, pytest.raises(CloudNotOffered):
        cloud.servers.console(desktops.create_running().id, ConsoleProtocol.SPICE)


def _with(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"openstack": settings.openstack.model_copy(update=changes)})


def _create(cloud: Cloud, request: Any) -> str | None:
    try:
        return cloud.servers.create(request).id
    except (CloudUnavailable, ServerBusy):  # the one that was given up is still being deleted
        return None


def _failed(cloud: Cloud, server_id: str) -> str | None:
    with suppress(ServerNotFound):  # for a moment, while Nova puts it where it keeps what no host took
        server = cloud.servers.get(server_id)
        return server.fault if server.status is ServerStatus.ERROR else None
    return None
