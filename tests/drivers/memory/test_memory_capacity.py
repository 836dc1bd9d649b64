"""Room on hosts, sizes, networks and images of a memory cloud."""

import pytest

from tests.drivers.memory.conftest import Bench, make_request
from yunzhuo.phoenix.cloud.errors import (
    FlavorNotFound,
    NoCapacity,
)
from yunzhuo.phoenix.cloud.memory import HostOption, ImageOption
from yunzhuo.phoenix.cloud.resources import ServerStatus
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound


def _one_host(**room: int) -> tuple[HostOption, ...]:
    return (HostOption(id="only", name="only", **{"vcpus": 100, "memory_mib": 100_000, "disk_mib": 1_000_000} | room),)


@pytest.mark.parametrize("room", [{"memory_mib": 1100}, {"vcpus": 2}, {"disk_mib": 9000}])
def test_two_small_servers_and_no_third(bench: Bench, room: dict[str, int]) -> None:
    bench.control.change_options(hosts=_one_host(**room))
    for tag in ("one", "two"):
        bench.cloud.servers.create(make_request(tag))
    with pytest.raises(NoCapacity):
        bench.cloud.servers.create(make_request("three"))
    assert bench.cloud.servers.find("three") is None
    assert bench.cloud.servers.create(make_request("two")).desktop_id == "two"
    first = bench.cloud.servers.find("one")
    assert first is not None
    bench.cloud.servers.delete(first.id)
    bench.wait(1)
    bench.cloud.servers.create(make_request("three"))


def test_stopped_and_suspended_servers_free_memory_once_they_are(bench: Bench) -> None:
    bench.control.change_options(hosts=_one_host(memory_mib=512))
    server = bench.create_ready("one")
    bench.cloud.servers.suspend(server.id)
    with pytest.raises(NoCapacity):
        bench.cloud.servers.create(make_request("two"))
    bench.wait(1)
    bench.cloud.servers.create(make_request("two"))
    with pytest.raises(NoCapacity):
        bench.cloud.servers.resume(server.id)
    assert bench.cloud.servers.get(server.id).status is ServerStatus.SUSPENDED


def test_a_server_without_room_is_not_started(bench: Bench) -> None:
    bench.control.change_options(hosts=_one_host(memory_mib=512))
    server = bench.create_ready("one")
    bench.cloud.servers.stop(server.id)
    bench.wait(1)
    other = bench.create_ready("two")
    with pytest.raises(NoCapacity):
        bench.cloud.servers.start(server.id)
    bench.cloud.servers.stop(other.id)
    bench.wait(1)
    bench.cloud.servers.start(server.id)


def test_resize_needs_room_for_the_difference(bench: Bench) -> None:
    bench.control.change_options(hosts=_one_host(memory_mib=1024))
    server = bench.create_ready()
    bench.cloud.servers.resize(server.id, "medium")
    bench.wait(1)
    with pytest.raises(NoCapacity):
        bench.cloud.servers.resize(server.id, "large")
    assert bench.cloud.servers.get(server.id).flavor_id == "medium"
    with pytest.raises(InvalidInput) as refusal:
        bench.cloud.servers.resize(server.id, "small")
    assert refusal.value.code == "disk_would_shrink"


def test_servers_spread_and_avoid_hosts_with_problems(bench: Bench) -> None:
    roomy = [HostOption(id=name, name=name, memory_mib=10_000) for name in ("a", "b")]
    bench.control.change_options(hosts=(*roomy, HostOption(id="c", name="c", problems=("disk failing",))))
    placed = [bench.cloud.servers.create(make_request(str(number))).host for number in range(6)]
    assert sorted(placed) == ["a"] * 3 + ["b"] * 3
    hosts = {host.id: host for host in bench.cloud.hosts.list()}
    assert (hosts["a"].servers, hosts["a"].memory_free_mib) == (3, 10_000 - 3 * 512)
    assert hosts["c"].problems == ("disk failing",)


def test_a_flavor_too_small_for_the_image_is_refused(bench: Bench) -> None:
    server = bench.create_ready()
    big = ImageOption(id="big", name="Big", min_memory_mib=2048)
    bench.control.change_options(images=(*bench.control.options.images, big))
    with pytest.raises(InvalidInput) as refusal:
        bench.cloud.servers.rebuild(server.id, "big")
    assert refusal.value.code == "flavor_too_small"
    assert bench.cloud.servers.get(server.id).image_id == "linux-desktop"
    with pytest.raises(FlavorNotFound):
        bench.cloud.servers.resize(server.id, "huge")


def test_networks_have_addresses_of_their_own(bench: Bench) -> None:
    servers = [bench.cloud.servers.create(make_request(str(number), network_id="closed")) for number in range(300)]
    bench.wait(1)
    addresses = [bench.cloud.servers.get(server.id).addresses[0] for server in servers]
    assert {address.network for address in addresses} == {"Closed"}
    assert len({address.address for address in addresses}) == 300
    assert all(address.address.startswith("10.65.") for address in addresses)
    with pytest.raises(NotFound) as refusal:
        bench.cloud.servers.create(make_request("lost", network_id="nowhere"))
    assert refusal.value.code == "network_not_found"


def test_an_image_can_take_time_to_be_prepared(bench: Bench) -> None:
    bench.control.change_options(images=(ImageOption(id="linux-desktop", name="Linux", prepared_after_seconds=60),))
    assert bench.cloud.images.is_prepared("linux-desktop", "small") is False
    bench.wait(61)
    assert bench.cloud.images.is_prepared("linux-desktop", "small") is True
