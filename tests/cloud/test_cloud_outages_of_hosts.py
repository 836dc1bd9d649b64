"""A host of a real OpenStack that takes builds and makes nothing: its servers are made on another one.

Once it is the whole nova-compute that stands still (SIGSTOP), once only what is below it, while it is heard of and Nova's own
deletion waits as the build does. Only for the cloud of `make cloud`, whose processes are ours to stop.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from infras.openstack.layout import Layout
from infras.openstack.processes import Processes
from tests.support.openstack_cloud import OF_THE_SDK, PRETENDED, asked_directly
from tests.support.openstack_site import Site, openstack_site
from tests.support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900), OF_THE_SDK]

LAYOUT = Layout.of_this_computer()
_DESKTOPS = 4
_PATIENCE = 400.0
#: Long enough for the other host, however busy this computer is. Of one that stands still Nova hears nothing for 30 s
#: here; until then it goes on giving it builds.
_BUILD_SECONDS = 40
_SCHEDULED_SECONDS = 5


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    variables = {"LIMITS__DESKTOPS_PER_USER": str(_DESKTOPS), "OPERATIONS__BUILD_SECONDS": str(_BUILD_SECONDS)}
    with openstack_site(tmp_path_factory.mktemp("hosts") / "var", variables=variables, **PRETENDED) as site:
        yield site


@contextmanager
def below_the_host(host: str) -> Iterator[None]:
    """Nothing answers below its nova-compute."""
    LAYOUT.hangs(host).touch()
    try:
        yield
    finally:
        LAYOUT.hangs(host).unlink()


@contextmanager
def the_whole_host(host: str) -> Iterator[None]:
    """Its nova-compute stands still."""
    Processes(LAYOUT).disturb(f"nova-compute-{host}", signal.SIGSTOP)
    try:
        yield
    finally:
        Processes(LAYOUT).disturb(f"nova-compute-{host}", signal.SIGCONT)


@pytest.mark.parametrize("hanging", [below_the_host, the_whole_host])
def test_what_a_host_does_not_make_is_made_on_another(site: Site, hanging: Any) -> None:
    api = site.yunzhuo.api(site.yunzhuo.add_user("many@school.local"))
    chief = site.yunzhuo.api(site.yunzhuo.add_user("chief@school.local", "operator"))
    wish = {"image": api.get("images").json()["items"][0]["id"], "flavor": api.get("flavors").json()["items"][0]["id"]}
    with hanging("fake1"):
        # The other one is closed until all are where they will not be made.
        site.cloud.hosts.disable("fake2", "for a moment")
        desktops = [api.post("desktops", json=wish).raise_for_status().json()["desktop"]["id"] for _ in range(_DESKTOPS)]
        eventually(lambda: len(site.servers()) == _DESKTOPS, _PATIENCE, what="all asked for")
        time.sleep(_SCHEDULED_SECONDS)
        site.cloud.hosts.enable("fake2")
        eventually(lambda: states(api) == {"available"}, _PATIENCE, what=lambda: f"{states(api)}")
        operations = [
            chief.get(f"operations/{api.get(f'desktops/{each}').json()['operation']['id']}").json() for each in desktops
        ]
        tries = [sum(step["name"] == "server" for step in operation["steps"]) for operation in operations]
        print(f"{hanging.__name__}: servers asked for until each of {_DESKTOPS} desktops stood: {tries}")
        assert min(tries) > 1, "a build was not given to the host that hangs"
        with asked_directly("admin") as sdk:
            on = {server.id: server.hypervisor_hostname for server in sdk.compute.servers(all_projects=True, tags=site.tag)}
        whole = {site.cloud.servers.find(desktop_id) for desktop_id in desktops}
        assert {on[server.id] for server in whole if server} == {"fake2"}
        for operation, number in zip(operations, tries, strict=True):
            given_up = [place for place, step in enumerate(operation["steps"]) if step["status"] == "failed"]
            assert len(given_up) == number - 1
            for place in given_up:
                assert operation["trace"]["cloud_request_ids"][str(place)].startswith("req-")
                assert operation["trace"]["hosts"].get(str(place), "fake1") == "fake1"
    servers = set(on)
    # What was given up goes by itself, be it that its host comes back, or that Nova takes it for dead.
    eventually(lambda: len(site.servers()) == _DESKTOPS, _PATIENCE, what="one server for each desktop")
    assert states(api) == {"available"}
    for desktop_id in desktops:
        api.delete(f"desktops/{desktop_id}").raise_for_status()
    eventually(lambda: not site.servers(), _PATIENCE, what="no server left")
    eventually(lambda: not site.ports_of(servers), _PATIENCE, what="no port left")


def states(api: httpx.Client) -> set[str]:
    """What people read of their desktops."""
    return {each["state"] for each in api.get("desktops?limit=100").json()["items"]}
