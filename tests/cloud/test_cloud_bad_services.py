"""Bad days of each service but Nova (that is in test_cloud_bad_days.py): answers refused, late, lost or broken."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.breaking_proxy import BreakingProxy
from tests.support.openstack_cloud import GUESTS, OF_THE_SDK, openstack_settings
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.errors import CloudUnavailable, VolumeBusy
from yunzhuo.phoenix.cloud.image_resources import ImageRequest
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.openstack import connect
from yunzhuo.phoenix.cloud.resources import VolumeRequest
from yunzhuo.phoenix.common.errors import Refused
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.config.settings import Settings

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(300), OF_THE_SDK]

_REQUEST = "req-of-the-proxy"


@dataclass(frozen=True)
class Service:
    """What is asked of a service: to look at what there is, and for one thing more, each by its call at the service."""

    name: str
    looks_at: str
    look: Callable[[Cloud], object]
    asks_for: str
    wish: Callable[[Cloud, str], Any]
    found: Callable[[Cloud, str], Sequence[str]]
    delete: Callable[[Cloud, str], None]


def _groups(cloud: Cloud, name: str) -> list[str]:
    return [group.id for group in cloud.security_groups.list() if group.name == name]


def _images(cloud: Cloud, name: str) -> list[str]:
    return [image.id for image in cloud.image_store.list() if image.name == name]


def _volumes(cloud: Cloud, name: str) -> list[str]:
    return [volume.id for volume in cloud.volumes.list() if volume.disk_id == name]


SERVICES = (
    Service(
        "network",
        r"GET .*/security-groups$",
        lambda cloud: cloud.security_groups.list(),
        r"POST .*/security-groups$",
        lambda cloud, name: cloud.security_groups.create(name, "of a bad day", ()),
        _groups,
        lambda cloud, thing: cloud.security_groups.delete(thing),
    ),
    Service(
        "image",
        r"GET .*/images$",
        lambda cloud: cloud.image_store.list(),
        r"POST .*/images$",
        lambda cloud, name: cloud.image_store.create(ImageRequest(name)),
        _images,
        lambda cloud, thing: cloud.image_store.delete(thing),
    ),
    Service(
        "block_storage",
        r"GET .*/volumes/detail$",
        lambda cloud: cloud.volumes.list(),
        r"POST .*/volumes$",
        lambda cloud, name: cloud.volumes.create(VolumeRequest(name, name, 1024)),
        _volumes,
        lambda cloud, thing: cloud.volumes.delete(thing),
    ),
)
_EACH = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


@pytest.fixture(scope="module")
def settings(proxied_file: Path) -> Settings:
    """Of an installation that meets all of them through the proxies."""
    return openstack_settings(**(GUESTS | {"clouds_file": str(proxied_file)}))


@pytest.fixture
def cloud(settings: Settings, proxies: dict[str, BreakingProxy]) -> Iterator[Cloud]:
    cloud = connect(settings)
    cloud.check()
    for proxy in proxies.values():
        proxy.clear()
    yield cloud
    cloud.close()


@pytest.fixture
def name(cloud: Cloud, proxies: dict[str, BreakingProxy]) -> Iterator[str]:
    """Of what is made and removed again; for Cinder it is a tag."""
    name = new_id()
    yield name
    for proxy in proxies.values():
        proxy.clear()
    for service in SERVICES:
        for thing in service.found(cloud, name):
            eventually(partial(_goes, service, cloud, thing), 60, what="a thing that goes")


def _goes(service: Service, cloud: Cloud, thing: str) -> bool:
    """A volume has to be made before it can be deleted."""
    with suppress(VolumeBusy):
        service.delete(cloud, thing)
        return True
    return False


@_EACH
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_look_that_meets_trouble_says_so(
    cloud: Cloud, proxies: dict[str, BreakingProxy], service: Service, status: int
) -> None:
    proxy = proxies[service.name]
    if status != 500:  # busy, or away for a moment: looked at once more
        proxy.trouble(service.looks_at, status=status)
        service.look(cloud)
    proxy.trouble(service.looks_at, status=status, count=9)
    with pytest.raises(CloudUnavailable) as failure:
        service.look(cloud)
    assert failure.value.details["cloud_request_id"] == _REQUEST
    assert failure.value.details["cloud_status"] == status


@_EACH
@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_a_wish_that_meets_trouble_is_asked_once(
    cloud: Cloud, proxies: dict[str, BreakingProxy], name: str, service: Service, status: int
) -> None:
    proxy = proxies[service.name]
    proxy.trouble(service.asks_for, status=status)
    with pytest.raises(Refused if status == 409 else CloudUnavailable) as failure:
        service.wish(cloud, name)
    assert failure.value.details["cloud_request_id"] == _REQUEST
    assert sum(call.startswith("POST") for call in proxy.calls) == 1
    assert not service.found(cloud, name)


@_EACH
@pytest.mark.parametrize("trouble", [{"lost": True}, {"garbled": True}])
def test_a_wish_whose_answer_is_lost_is_not_asked_again_by_itself(
    cloud: Cloud, proxies: dict[str, BreakingProxy], name: str, service: Service, trouble: dict[str, bool]
) -> None:
    proxies[service.name].trouble(service.asks_for, **trouble)
    with pytest.raises(CloudUnavailable):
        service.wish(cloud, name)
    assert sum(call.startswith("POST") for call in proxies[service.name].calls) == 1
    assert len(service.found(cloud, name)) == 1


@_EACH
def test_an_answer_that_comes_too_late_is_not_waited_for(
    settings: Settings, proxies: dict[str, BreakingProxy], service: Service
) -> None:
    hasty = connect(settings.model_copy(update={"cloud": settings.cloud.model_copy(update={"timeout_seconds": 0.5})}))
    for proxy in proxies.values():
        proxy.clear()
    proxies[service.name].trouble(service.looks_at, count=2, delay_seconds=2)
    with pytest.raises(CloudUnavailable):
        service.look(hasty)
    proxies[service.name].clear()
    hasty.close()


@pytest.mark.parametrize("trouble", [{"status": 429}, {"status": 500}, {"status": 503}, {"cut": True}, {"garbled": True}])
def test_a_keystone_that_meets_trouble_is_the_cloud_that_does(
    settings: Settings, proxies: dict[str, BreakingProxy], trouble: dict[str, Any]
) -> None:
    proxies["identity"].clear()
    proxies["identity"].trouble("POST .*/auth/tokens$", count=9, **trouble)
    cloud = connect(settings)
    with pytest.raises(CloudUnavailable):
        cloud.servers.list()
    proxies["identity"].clear()
    cloud.servers.list()
    cloud.close()
