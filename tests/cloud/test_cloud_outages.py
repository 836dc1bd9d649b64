"""Parts of the cloud die and come back in the middle of many creates: each ends well or with a reason, and nothing is left.

Only for the cloud of `make cloud`, whose processes are ours to kill.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from infras.openstack.configuration import WEB_SERVICES
from infras.openstack.layout import Layout
from infras.openstack.processes import Processes
from tests.support.openstack_cloud import OF_THE_SDK, PRETENDED, asked_directly
from tests.support.openstack_site import Site, openstack_site
from tests.support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(1500), OF_THE_SDK]

ROOT = Path(__file__).resolve().parents[2]
LAYOUT = Layout.of_this_computer()
_PRETENDED_DESKTOPS = 20
_REAL_DESKTOPS = 4
_DESKTOPS = _PRETENDED_DESKTOPS + _REAL_DESKTOPS
_PATIENCE = 600.0
#: Long enough for 24 at once on this computer; what Nova lost with a process that was killed is made anew after that.
_BUILD_SECONDS = 150
_ENDED = {"succeeded", "failed"}
_TASKS_OF_REST = {None, ""}
#: Both kinds of hosts; guests of either say when they are ready.
_BOTH = {
    "images": ("pretended", "guest"),
    "flavors": ("fake.small", "real.tiny"),
    "volumes": True,
    "ready_pattern": f"{PRETENDED['ready_pattern']}|YUNZHUO READY",
}


class Counted:
    """What the cloud has, of everybody, as its administrator counts it past all our code."""

    def __init__(self, sdk: Any) -> None:
        self._sdk = sdk
        self.before = self._things()

    def agrees(self) -> bool:
        """Whether it has the very same as before."""
        return self._things() == self.before

    def differs(self) -> str:
        """In what."""
        return f"{ {kind: things ^ self.before[kind] for kind, things in self._things().items()} }"

    def _things(self) -> Mapping[str, set[str]]:
        sdk = self._sdk
        return {
            "servers": {each.id for each in sdk.compute.servers(all_projects=True)},
            "ports": {each.id for each in sdk.network.ports()},
            "floating IPs": {each.id for each in sdk.network.ips()},
            "volumes": {each.id for each in sdk.block_storage.volumes(all_projects=True)},
        }


@contextmanager
def counted_site(home: Path, **variables: str) -> Iterator[Site]:
    """Yunzhuo on both kinds of hosts; the cloud has afterwards what it had before."""
    with asked_directly("admin") as sdk:
        counted = Counted(sdk)
        own = {
            "LIMITS__DESKTOPS_PER_USER": str(_DESKTOPS),
            "OPERATIONS__CREATE_DEADLINE_SECONDS": "300",
            "OPERATIONS__BUILD_SECONDS": str(_BUILD_SECONDS),
        }
        with openstack_site(home, variables=own | variables, **_BOTH) as site:
            yield site
        eventually(counted.agrees, _PATIENCE, what=counted.differs)


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with counted_site(tmp_path_factory.mktemp("outage") / "var") as site:
        yield site


def test_whatever_dies_in_the_middle_of_creates_on_pretended_and_real_hosts(site: Site) -> None:
    api = site.yunzhuo.api(site.yunzhuo.add_user("many@school.local"))
    pupil = site.yunzhuo.api(site.yunzhuo.add_user("pupil@school.local"))
    chief = site.yunzhuo.api(site.yunzhuo.add_user("chief@school.local", "operator"))
    pupil.post("personal-disk", json={"size_mib": 512}).raise_for_status()
    pretended, real = wishes(api)
    addressed = [asked_for(api, pretended) for _ in range(2)]
    eventually(lambda: {states(api)[each] for each in addressed} == {"succeeded"}, _PATIENCE, what="two desktops before all")
    for desktop_id in addressed:
        give_address(chief, desktop_id)
    with ThreadPoolExecutor(4) as threads:
        wanted = [*[(api, pretended)] * (_PRETENDED_DESKTOPS - 2), *[(api, real)] * (_REAL_DESKTOPS - 1), (pupil, real)]
        list(threads.map(lambda each: asked_for(*each), wanted))
    for name in ("nova-compute-fake1", "nova-conductor", "rabbitmq", "keystone", "nova-compute-real1"):
        time.sleep(3)  # let some of them get on
        kill([name])
        time.sleep(2)
        bring_up()

    everybody = (api, pupil)
    eventually(lambda: set(all_states(everybody).values()) <= _ENDED, _PATIENCE, what=lambda: f"{all_states(everybody)}")
    ended = all_states(everybody)
    assert len(ended) == _DESKTOPS
    made = site.servers()
    assert len(made) == len(set(made)) <= _DESKTOPS
    eventually(lambda: not unsettled(site), _PATIENCE, what=lambda: f"nothing that Nova is still at: {unsettled(site)}")
    well = [desktop_id for desktop_id, state in ended.items() if state == "succeeded"]
    real_well = sum(has_flavor(each, ended, real, everybody) for each in well)
    with_address = sum(bool(chief.get(f"desktops/{each}").json()["address"]) for each in addressed)
    print(
        f"{len(well)} of {_DESKTOPS} well ({real_well} of {_REAL_DESKTOPS} real guests), {with_address} of 2 floating IPs;"
        f" the personal disk is {pupil.get('personal-disk').json()['state']}; the others failed with a reason"
    )
    assert well
    for client in everybody:
        for desktop in client.get("desktops?limit=100").json()["items"]:
            if desktop["operation"]["status"] == "failed":
                assert desktop["operation"]["error"]["message"]
            client.delete(f"desktops/{desktop['id']}").raise_for_status()
    eventually(lambda: not any(all_states((client,)) for client in everybody), _PATIENCE, what="all deleted")
    eventually(lambda: not site.servers(), _PATIENCE, what="no server left")
    eventually(lambda: not site.ports_of(set(made)), _PATIENCE, what="no port left")
    eventually(lambda: pupil.get("personal-disk").json()["state"] == "free", _PATIENCE, what="a disk that nobody has")
    assert len(site.cloud.volumes.list()) == 1


def test_a_cloud_that_is_away_loses_nothing(site: Site) -> None:
    """All its doors are closed for longer than a step is tried again: an hour, shortened to a minute and a half."""
    api = site.yunzhuo.api(site.yunzhuo.add_user("patient@school.local"))
    pretended, _ = wishes(api)
    there = asked_for(api, pretended)
    leaving = asked_for(api, pretended)
    eventually(lambda: set(states(api).values()) == {"succeeded"}, _PATIENCE, what="two desktops")
    coming = [asked_for(api, pretended) for _ in range(3)]
    time.sleep(1)
    kill(WEB_SERVICES)
    api.delete(f"desktops/{leaving}").raise_for_status()
    eventually(lambda: set(states(api).values()) <= _ENDED, _PATIENCE, what=lambda: f"{states(api)}")
    time.sleep(15)
    assert api.get(f"desktops/{there}").json()["state"] == "available"
    failed = [desktop_id for desktop_id, state in states(api).items() if state == "failed"]
    print(f"{len(failed)} of 4 changes failed while the cloud was away")
    assert leaving in failed
    for desktop_id in failed:
        assert api.get(f"desktops/{desktop_id}").json()["operation"]["error"]["code"] == "cloud_unavailable"
    bring_up()
    assert api.get(f"desktops/{there}").json()["state"] == "available"
    for desktop_id in failed:
        operation = api.get(f"desktops/{desktop_id}").json()["operation"]["id"]
        eventually(lambda: api.post(f"operations/{operation}/retry").is_success, 60, what="another try")  # noqa: B023
    eventually(lambda: leaving not in states(api), _PATIENCE, what="the one to leave")
    eventually(lambda: set(states(api).values()) == {"succeeded"}, _PATIENCE, what=lambda: f"{states(api)}")
    assert states(api).keys() == {there, *coming}
    assert len(site.servers()) == 1 + len(coming)
    for desktop_id in states(api):
        api.delete(f"desktops/{desktop_id}").raise_for_status()
    eventually(lambda: not states(api) and not site.servers(), _PATIENCE, what="nothing left")


def kill(names: Sequence[str] | Mapping[str, object]) -> None:
    """Processes of the cloud, by their names, and all that they have started."""
    for name in names:
        Processes(LAYOUT).disturb(name, signal.SIGKILL)


def bring_up() -> None:
    """Whatever does not run."""
    subprocess.run([sys.executable, "-m", "infras.openstack", "up"], cwd=ROOT, check=True, timeout=300)


def wishes(api: httpx.Client) -> tuple[dict[str, str], dict[str, str]]:
    """What is asked for to get a desktop on a pretended host, and on a real one."""
    images = {each["name"]: each["id"] for each in api.get("images").json()["items"]}
    flavors = {each["name"]: each["id"] for each in api.get("flavors").json()["items"]}
    return (
        {"image": images["pretended"], "flavor": flavors["fake.small"]},
        {"image": images["guest"], "flavor": flavors["real.tiny"]},
    )


def asked_for(api: httpx.Client, wish: dict[str, str]) -> str:
    """A new desktop; answers its id."""
    answer = api.post("desktops", json=wish).raise_for_status()
    return str(answer.json()["desktop"]["id"])


def give_address(chief: httpx.Client, desktop_id: str) -> None:
    """Ask for a floating IP, once it is offered: the scheduler has to have looked at the cloud's networks first."""
    desktop = f"desktops/{desktop_id}"
    eventually(lambda: "assign_address" in chief.get(desktop).json()["actions"], 60, what="a floating IP on offer")
    chief.post(f"{desktop}/actions", json={"action": "assign_address"}).raise_for_status()


def states(api: httpx.Client) -> dict[str, str]:
    """How the latest change of each desktop stands."""
    return {each["id"]: each["operation"]["status"] for each in api.get("desktops?limit=100").json()["items"]}


def all_states(clients: Sequence[httpx.Client]) -> dict[str, str]:
    """The same of several people."""
    return {desktop_id: state for client in clients for desktop_id, state in states(client).items()}


def has_flavor(desktop_id: str, ended: Mapping[str, str], wish: dict[str, str], clients: Sequence[httpx.Client]) -> bool:
    """Whether it was asked for with that wish."""
    assert desktop_id in ended
    found = [client.get(f"desktops/{desktop_id}") for client in clients]
    return any(answer.is_success and answer.json()["flavor"]["id"] == wish["flavor"] for answer in found)


def unsettled(site: Site) -> list[tuple[str, str, str | None]]:
    """Servers of ours that Nova is at, or was at for ever."""
    servers = site.sdk.compute.servers(tags=site.tag)
    return [
        (each.id, each.status, each.task_state)
        for each in servers
        if each.status == "BUILD" or each.task_state not in _TASKS_OF_REST
    ]
