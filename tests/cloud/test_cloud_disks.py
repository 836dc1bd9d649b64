"""A personal disk on a real OpenStack: from the API to the guest, and with its person to the next desktop."""

import re
from collections.abc import Iterator

import pytest
from tests.support.openstack_cloud import OF_THE_SDK
from tests.support.openstack_site import Site, openstack_site
from tests.support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900), OF_THE_SDK]
_PATIENCE = 240.0


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with openstack_site(tmp_path_factory.mktemp("disks") / "var", volumes=True) as site:
        yield site


def test_a_personal_disk_follows_its_person_from_desktop_to_desktop(site: Site) -> None:
    api = site.yunzhuo.api(site.yunzhuo.add_user("pupil@school.local"))
    api.post("personal-disk", json={"size_mib": 512}).raise_for_status()
    wish = {"image": api.get("images").json()["items"][0]["id"], "flavor": api.get("flavors").json()["items"][0]["id"]}

    def times_seen(times: int) -> str:
        """A new desktop, in which the disk is plugged in for that time (the test cloud's guest counts)."""
        made = api.post("desktops", json=wish)
        made.raise_for_status()
        desktop_id: str = next(each["id"] for each in api.get("desktops").json()["items"])
        eventually(lambda: api.get(f"desktops/{desktop_id}").json()["state"] == "available", _PATIENCE, what="a desktop")
        server = site.cloud.servers.find(desktop_id)
        assert server is not None

        def counts() -> bool:
            log: str = site.sdk.compute.get_server_console_output(server.id)["output"]
            return re.findall(r"VOLUME plugged in for the time (\d+)", log) == [str(times)]

        eventually(counts, _PATIENCE, what=f"a guest that counts to {times}")
        assert api.get("personal-disk").json()["state"] == "connected"
        return desktop_id

    for times in (1, 2):
        desktop_id = times_seen(times)
        api.delete(f"desktops/{desktop_id}").raise_for_status()
        eventually(lambda: not api.get("desktops").json()["items"], _PATIENCE, what="all deleted")
        eventually(lambda: api.get("personal-disk").json()["state"] == "free", _PATIENCE, what="a disk that nobody has")
    api.delete("personal-disk").raise_for_status()
    eventually(lambda: not site.cloud.volumes.list(), _PATIENCE, what="no volume left")
