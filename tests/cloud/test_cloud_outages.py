"""Parts of the cloud die and come back in the middle of many creates: each ends well or with a reason, and nothing is left.

Only for the cloud of `make cloud`, whose processes are ours to kill.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from infras.openstack.layout import Layout
from infras.openstack.processes import Processes
from tests.support.openstack_cloud import OF_THE_SDK, PRETENDED
from tests.support.openstack_site import Site, openstack_site
from tests.support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(1500), OF_THE_SDK]

ROOT = Path(__file__).resolve().parents[2]
_DESKTOPS = 20
_PATIENCE = 600.0
_ENDED = {"succeeded", "failed"}


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("outage") / "var"
    variables = {"LIMITS__DESKTOPS_PER_USER": str(_DESKTOPS), "OPERATIONS__CREATE_DEADLINE_SECONDS": "300"}
    with openstack_site(home, variables=variables, **PRETENDED) as site:
        yield site


def test_whatever_dies_in_the_middle_of_twenty_creates(site: Site) -> None:
    api = site.yunzhuo.api(site.yunzhuo.add_user("many@school.local"))
    wish = {"image": api.get("images").json()["items"][0]["id"], "flavor": api.get("flavors").json()["items"][0]["id"]}
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _number: api.post("desktops", json=wish).raise_for_status(), range(_DESKTOPS)))
    layout = Layout.of_this_computer()
    for names in (["nova-compute-fake1"], ["nova-conductor"], ["rabbitmq"], ["keystone"]):
        time.sleep(3)  # let some of them get on
        for name in names:
            Processes(layout).disturb(name, signal.SIGKILL)
        time.sleep(2)
        subprocess.run([sys.executable, "-m", "infras.openstack", "up"], cwd=ROOT, check=True, timeout=300)

    def all_ended() -> dict[str, str] | None:
        desktops = api.get("desktops?limit=100").json()["items"]
        states = {each["id"]: each["operation"]["status"] for each in desktops}
        return states if set(states.values()) <= _ENDED else None

    states = eventually(all_ended, _PATIENCE, what="no desktop that is stuck")
    assert len(states) == _DESKTOPS
    made = site.servers()
    assert len(made) == len(set(made))
    assert len(made) <= _DESKTOPS
    available = [desktop_id for desktop_id, state in states.items() if state == "succeeded"]
    print(f"{len(available)} of {_DESKTOPS} available, the others failed with a reason")
    assert available
    for desktop_id in states.keys() - set(available):
        assert api.get(f"desktops/{desktop_id}").json()["operation"]["error"]["message"]
    for desktop_id in states:
        api.delete(f"desktops/{desktop_id}").raise_for_status()
    eventually(lambda: not api.get("desktops").json()["items"], _PATIENCE, what="all deleted")
    eventually(lambda: not site.servers(), _PATIENCE, what="no server left")
    eventually(lambda: not site.ports_of(set(made)), _PATIENCE, what="no port left")
