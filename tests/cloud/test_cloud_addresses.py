"""Floating IPs on a real OpenStack: a guest answers at one, lost answers make no second one; ports that outlived servers."""

import secrets
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from infras.openstack.layout import Layout
from infras.openstack.processes import Processes
from tests.support.breaking_proxy import BreakingProxy, breaking_proxy
from tests.support.openstack_cloud import OF_THE_SDK, PRETENDED, asked_directly, clouds_file, openstack_settings
from tests.support.openstack_site import Site, openstack_site
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.errors import CloudUnavailable, FloatingIpUnreachable, NoCapacity
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.openstack import connect
from yunzhuo.phoenix.cloud.resources import ServerRequest, ServerStatus
from yunzhuo.phoenix.common.ids import new_id

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900), OF_THE_SDK]

_PATIENCE = 180.0


@pytest.fixture(scope="module")
def proxy(admin: Any) -> Iterator[BreakingProxy]:
    """In front of Neutron."""
    with breaking_proxy(admin.network.get_endpoint()) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def file(proxy: BreakingProxy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clouds.yaml that meets Neutron through the proxy."""
    known = yaml.safe_load(clouds_file().read_text())["clouds"]
    known["yunzhuo"]["network_endpoint_override"] = proxy.url
    file = tmp_path_factory.mktemp("proxied") / "clouds.yaml"
    file.touch(0o600)
    file.write_text(yaml.safe_dump({"clouds": known}))
    return file


@pytest.fixture(scope="module")
def cloud(file: Path) -> Iterator[Cloud]:
    cloud = connect(openstack_settings(clouds_file=str(file), **PRETENDED))
    yield cloud
    for server in cloud.servers.list():
        cloud.servers.delete(server.id)
    eventually(lambda: not cloud.servers.list(), _PATIENCE)
    for ip in cloud.addresses.list():
        cloud.addresses.delete(ip.id)
    cloud.close()


@pytest.fixture
def running(cloud: Cloud, proxy: BreakingProxy) -> Iterator[str]:
    """A server that runs on a host that pretends."""
    proxy.clear()
    image, flavor = cloud.images.list()[0], cloud.flavors.list()[0]
    made = cloud.servers.create(ServerRequest(new_id(), "addressed", "addressed", image.id, flavor.id))
    eventually(lambda: cloud.servers.get(made.id).status is ServerStatus.RUNNING, _PATIENCE)
    yield made.id
    proxy.clear()
    cloud.servers.delete(made.id)


@pytest.mark.parametrize("trouble", [{"lost": True}, {"garbled": True}])
def test_one_whose_answer_is_lost_is_made_once(cloud: Cloud, proxy: BreakingProxy, trouble: dict[str, bool]) -> None:
    proxy.clear()
    tag = new_id()
    proxy.trouble("POST .*/floatingips", **trouble)
    with pytest.raises(CloudUnavailable):
        cloud.addresses.create(tag)
    made = cloud.addresses.create(tag)
    assert [ip.id for ip in cloud.addresses.list() if ip.address_id == tag] == [made.id]
    cloud.addresses.delete(made.id)


def test_two_processes_that_ask_at_once_get_one_or_are_told_to_ask_again(file: Path, proxy: BreakingProxy) -> None:
    proxy.clear()
    tag, settings = new_id(), openstack_settings(clouds_file=str(file), **PRETENDED)
    proxy.trouble("POST .*/floatingips", count=2, delay_seconds=2)
    one, other = connect(settings), connect(settings)

    def ask(cloud: Cloud) -> str | None:
        try:
            return cloud.addresses.create(tag).id
        except CloudUnavailable:
            return None

    with ThreadPoolExecutor(2) as threads:
        answered = {answer for answer in threads.map(ask, (one, other)) if answer}
    assert len(answered) <= 1
    made = one.addresses.create(tag)
    assert answered <= {made.id}
    assert [ip.id for ip in other.addresses.list()] == [made.id]
    one.addresses.delete(made.id)
    one.close()
    other.close()


def test_a_change_whose_answer_is_lost_was_made(cloud: Cloud, proxy: BreakingProxy, running: str) -> None:
    ip = cloud.addresses.create(new_id())
    for change, leads_to in ((cloud.addresses.associate, running), (cloud.addresses.dissociate, None)):
        proxy.trouble("PUT .*/floatingips/.*", lost=True)
        with pytest.raises(CloudUnavailable):
            change(ip.id, running)
        change(ip.id, running)
        found = cloud.addresses.find(ip.address_id)
        assert found is not None
        assert found.server_id == leads_to
    cloud.addresses.delete(ip.id)


def test_a_quota_that_is_used_up_is_said(cloud: Cloud, admin: Any, proxy: BreakingProxy) -> None:
    proxy.clear()
    project = admin.identity.find_project("yunzhuo")
    admin.network.update_quota(project.id, floating_ips=0)
    try:
        with pytest.raises(NoCapacity) as refusal:
            cloud.addresses.create(new_id())
        assert str(refusal.value.details["cloud_request_id"]).startswith("req-")
    finally:
        admin.network.update_quota(project.id, floating_ips=-1)


def test_a_network_that_no_router_leads_to_is_said(cloud: Cloud, admin: Any, running: str) -> None:
    elsewhere = admin.network.create_network(name=f"elsewhere-{secrets.token_hex(3)}", is_router_external=True)
    subnet = admin.network.create_subnet(network_id=elsewhere.id, ip_version=4, cidr="10.98.0.0/24", is_dhcp_enabled=False)
    try:
        assert cloud.networks.external()[0].name == "public", "one that a router of ours leads to comes first"
        ip = cloud.addresses.create(new_id(), network_id=elsewhere.id)
        with pytest.raises(FloatingIpUnreachable):
            cloud.addresses.associate(ip.id, running)
        cloud.addresses.delete(ip.id)
    finally:
        admin.network.delete_subnet(subnet)
        admin.network.delete_network(elsewhere)


def test_those_of_others_in_the_project_are_neither_seen_nor_touched(cloud: Cloud, file: Path, running: str) -> None:
    others = connect(openstack_settings(clouds_file=str(file), **PRETENDED))
    ip = cloud.addresses.create(new_id())
    cloud.addresses.associate(ip.id, running)
    assert not others.addresses.list()
    assert others.addresses.find(ip.address_id) is None
    others.addresses.dissociate(ip.id, running)
    others.addresses.delete(ip.id)
    found = cloud.addresses.find(ip.address_id)
    assert found is not None
    assert found.server_id == running
    cloud.addresses.dissociate(ip.id, running)
    cloud.addresses.delete(ip.id)
    others.close()


def test_a_port_that_outlived_its_server_is_told_of_and_removed(cloud: Cloud, proxy: BreakingProxy) -> None:
    """Made by hand, as Nova leaves it behind when it dies in the middle of a deletion."""
    proxy.clear()
    gone = new_id()
    with asked_directly("yunzhuo") as sdk:
        network = sdk.network.find_network("desktops")
        left = sdk.network.create_port(network_id=network.id, device_id=gone, device_owner="compute:nova")
        (port,) = [port for port in cloud.networks.ports() if port.server_id == gone]
        assert (port.id, port.address) == (left.id, left.fixed_ips[0]["ip_address"])
        cloud.networks.delete_port(port.id, gone)
        assert sdk.network.find_port(left.id) is None


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """With real guests, which the world outside may ask for their page."""
    group = f"web-{secrets.token_hex(3)}"
    with asked_directly("yunzhuo") as sdk:
        made = sdk.network.create_security_group(name=group)
        sdk.network.create_security_group_rule(
            security_group_id=made.id,
            direction="ingress",
            ethertype="IPv4",
            protocol="tcp",
            port_range_min=80,
            port_range_max=80,
        )
        try:
            often = {"ADDRESSES__COMPARE_SECONDS": "2", "ADDRESSES__KEEP_SECONDS": "0"}
            with openstack_site(tmp_path / "var", variables=often, security_groups=(group,)) as site:
                yield site
        finally:
            eventually(lambda: _is_deleted(sdk, made), _PATIENCE, what="a security group that nobody uses")


def test_a_guest_answers_at_its_floating_ip_and_nobody_does_afterwards(site: Site) -> None:
    api = site.yunzhuo.api(site.yunzhuo.add_user("pupil@school.local"))
    chief = site.yunzhuo.api(site.yunzhuo.add_user("chief@school.local", "administrator"))
    wish = {"image": api.get("images").json()["items"][0]["id"], "flavor": api.get("flavors").json()["items"][0]["id"]}
    desktop = f"desktops/{api.post('desktops', json=wish).raise_for_status().json()['desktop']['id']}"
    eventually(lambda: api.get(desktop).json()["state"] == "available", _PATIENCE, what="a desktop")
    eventually(lambda: "assign_address" in chief.get(desktop).json()["actions"], 30, what="a cloud that has addresses")
    chief.post(f"{desktop}/actions", json={"action": "assign_address"}).raise_for_status()
    eventually(lambda: api.get(desktop).json()["state"] == "available", _PATIENCE, what="a desktop with an address")
    address = api.get(desktop).json()["address"]
    assert [ip.floating_ip_address for ip in site.sdk.network.ips(status="ACTIVE")] == [address]
    eventually(lambda: "guest of the test cloud" in _from_outside(address), 60, what="an answer through the address")
    chief.post(f"{desktop}/actions", json={"action": "release_address"}).raise_for_status()
    eventually(lambda: api.get(desktop).json()["address"] is None, _PATIENCE, what="a desktop without an address")
    eventually(lambda: not _from_outside(address), 60, what="silence at the address")
    eventually(lambda: not list(site.sdk.network.ips()), 60, what="no floating IP in the cloud")
    chief.post(f"{desktop}/actions", json={"action": "assign_address"}).raise_for_status()
    eventually(lambda: api.get(desktop).json()["address"], _PATIENCE, what="an address")
    server = site.servers()
    api.delete(desktop).raise_for_status()
    eventually(lambda: not (site.servers() or site.ports_of(set(server))), _PATIENCE, what="no server and no port")
    eventually(lambda: not list(site.sdk.network.ips()), 60, what="no floating IP in the cloud")


def _from_outside(address: str) -> str:
    """What answers at port 80 of an address, asked from the external network; empty: nothing."""
    outside = Processes(Layout.of_this_computer()).pid("outside")
    command = ["nsenter", f"--net=/proc/{outside}/ns/net", "curl", "--silent", "--max-time", "5", f"http://{address}/"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _is_deleted(sdk: Any, group: Any) -> bool:
    try:
        sdk.network.delete_security_group(group)
    except Exception:
        return False
    return True
