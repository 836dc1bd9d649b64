"""Nova's own notifications: what is done to a server by hand is seen at once, without asking for the list."""

import re
import time
from collections.abc import Iterator

import httpx
import pytest
from tests.support.openstack_cloud import OF_THE_SDK, PRETENDED, notifications_url
from tests.support.openstack_site import Site, openstack_site
from tests.support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600), OF_THE_SDK]
_BUILD_SECONDS = 180.0
# So long that what is seen sooner was not seen in the list.
_SELDOM = "600"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("notices") / "var"
    seldom = {"CLOUD__TOLD_POLL_SECONDS": _SELDOM}
    with openstack_site(home, variables=seldom, **PRETENDED, notifications_url=notifications_url()) as site:
        yield site


def test_a_server_stopped_by_hand_is_seen_as_stopped_within_two_seconds(site: Site) -> None:
    operator = site.yunzhuo.api(site.yunzhuo.add_user("operator@school.local", "operator")).headers["Authorization"]
    api = site.yunzhuo.api(site.yunzhuo.add_user("one@school.local"))
    wish = {"image": api.get("images").json()["items"][0]["id"], "flavor": api.get("flavors").json()["items"][0]["id"]}
    desktop_id = api.post("desktops", json=wish).raise_for_status().json()["desktop"]["id"]

    def state() -> str:
        return str(api.get(f"desktops/{desktop_id}").json()["state"])

    eventually(lambda: state() == "available", _BUILD_SECONDS, what="a desktop")
    (server_id,) = site.servers()
    # The list was asked for before anything had been heard: from now on it is not.
    eventually(lambda: _figure(site, operator, "notices_about_us") > 0, 30, what="word from Nova")
    time.sleep(8)
    site.sdk.compute.stop_server(server_id)
    eventually(lambda: site.sdk.compute.get_server(server_id).status == "SHUTOFF", 60, what="a stopped server")
    began = time.monotonic()
    eventually(lambda: state() == "stopped", 30, what="a desktop that is seen to be stopped")
    assert time.monotonic() - began < 2
    eventually(lambda: _figure(site, operator, "notices_looked_at") >= 1, 15, what="a report of the look")
    assert "notifications" in site.yunzhuo.command("doctor", check=False)


def _figure(site: Site, token: str, name: str) -> float:
    answer = httpx.get(f"{site.yunzhuo.url}/metrics", headers={"Authorization": token}, timeout=30).raise_for_status().text
    found = re.search(rf"^yunzhuo_{name} (\S+)$", answer, re.MULTILINE)
    return float(found[1]) if found else 0.0
