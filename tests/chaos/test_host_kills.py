"""The host process is killed while it changes real machines; counted from outside: nothing is stuck, lost, doubled or left.

Every round asks for one change of each of three desktops at once and kills the host in the middle of them. The seed is
printed; ``YUNZHUO_TEST_SEED`` repeats a run. Starts and reboots are not among the changes: cold boots take half a minute each
without KVM, and tests/integration/host kills the host in the middle of those.
"""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.local_cloud import open_files
from tests.support.running import Running, answer_of, running_yunzhuo
from tests.support.waiting import eventually
from yunzhuo.host.processes import working_below
from yunzhuo.phoenix import cloud as clouds
from yunzhuo.phoenix.cloud.errors import CloudUnavailable
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import ServerStatus

pytestmark = [pytest.mark.machine, pytest.mark.servers, pytest.mark.timeout(1800)]

PATIENCE_SECONDS = 300
ENDED = {"succeeded", "failed", "cancelled"}
Wish = Callable[[httpx.Client, str], httpx.Response]


@pytest.fixture
def yunzhuo(tmp_path: Path) -> Iterator[Running]:
    with running_yunzhuo(tmp_path / "var", CLOUD__DRIVER="local", OPERATIONS__LEASE_SECONDS="16") as running:
        yield running


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("YUNZHUO_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")
    return random.Random(seed)


def act(action: str) -> Wish:
    return lambda api, desktop_id: api.post(f"desktops/{desktop_id}/actions", json={"action": action})


def snapshot(api: httpx.Client, desktop_id: str) -> httpx.Response:
    return api.post(f"desktops/{desktop_id}/snapshots", json={"name": "as it was"})


def roll_back(api: httpx.Client, desktop_id: str) -> httpx.Response:
    return api.post(f"desktops/{desktop_id}/snapshots/{kept(api, desktop_id)}/roll-back")


def delete_snapshot(api: httpx.Client, desktop_id: str) -> httpx.Response:
    return api.delete(f"desktops/{desktop_id}/snapshots/{kept(api, desktop_id)}")


def connect(api: httpx.Client, desktop_id: str) -> httpx.Response:
    return api.post("personal-disk/connect", json={"desktop": desktop_id})


def disconnect(api: httpx.Client, _desktop_id: str) -> httpx.Response:
    return api.post("personal-disk/disconnect", json={})


def delete(api: httpx.Client, desktop_id: str) -> httpx.Response:
    return api.delete(f"desktops/{desktop_id}")


def kept(api: httpx.Client, desktop_id: str) -> str:
    """The desktop's one snapshot."""
    (only,) = api.get(f"desktops/{desktop_id}/snapshots").json()["items"]
    return str(only["id"])


# What is asked of each of the three at once.
ROUNDS: tuple[tuple[Wish, Wish, Wish], ...] = (
    (act("suspend"), snapshot, connect),
    (act("resume"), roll_back, disconnect),
    (connect, act("rebuild"), snapshot),
    (act("stop"), act("suspend"), roll_back),
    (delete, delete, delete),
)


def test_the_host_may_die_in_the_middle_of_any_change(yunzhuo: Running, chance: random.Random) -> None:
    api = yunzhuo.api(yunzhuo.add_user("chaos@school.local"))
    cloud = clouds.connect(yunzhuo.settings())
    wish = {kind.rstrip("s"): api.get(kind).json()["items"][0]["id"] for kind in ("images", "flavors")}
    made = [answer_of(api.post("desktops", json=wish), 202) for _ in range(3)]
    desktops = [each["desktop"]["id"] for each in made]
    tally: Counter[str] = Counter()
    in_the_middle = kill_the_host(yunzhuo, api, [each["operation"]["id"] for each in made], chance, tally)
    count(yunzhuo, cloud, desktops)
    answer_of(api.post("personal-disk", json={"size_mib": 64}), 201)
    (disk,) = cloud.volumes.list()
    for wishes in ROUNDS:
        asked = [answer_of(ask(api, desktop), 202) for ask, desktop in zip(wishes, desktops, strict=True)]
        in_the_middle += kill_the_host(yunzhuo, api, [each["operation"]["id"] for each in asked], chance, tally)
        count(yunzhuo, cloud, [] if delete in wishes else desktops)
        assert [volume.id for volume in cloud.volumes.list()] == [disk.id], "the disk is lost, or doubled"
    print(f"{tally.total()} changes, of which {in_the_middle} went on when the host was killed: {dict(tally)}")
    assert in_the_middle >= tally.total() // 3, "killed in the middle of too little"
    assert set(tally) == {"succeeded"}
    eventually(lambda: api.delete("personal-disk").status_code == 204, 60, what="the disk deleted")
    assert cloud.volumes.list() == ()
    cloud.close()


def kill_the_host(
    yunzhuo: Running, api: httpx.Client, operations: list[str], chance: random.Random, tally: Counter[str]
) -> int:
    """In the middle of these, which then have to end by themselves; answers how many went on when it was killed."""
    time.sleep(chance.uniform(0.05, 0.8))
    pid = yunzhuo.pids()["host"]
    going_on = sum(status(api, operation) not in ENDED for operation in operations)
    os.kill(pid, signal.SIGKILL)
    for operation in operations:
        tally[eventually(lambda: ended(api, operation), PATIENCE_SECONDS, what=lambda: told(api, operation))] += 1  # noqa: B023 - called at once
    return going_on


def status(api: httpx.Client, operation_id: str) -> str:
    return str(api.get(f"operations/{operation_id}").json()["status"])


def ended(api: httpx.Client, operation_id: str) -> str | None:
    with contextlib.suppress(httpx.TransportError, KeyError):
        now = status(api, operation_id)
        if now in ENDED:
            if now != "succeeded":
                print(told(api, operation_id))
            return now
    return None


def told(api: httpx.Client, operation_id: str) -> str:
    return api.get(f"operations/{operation_id}").text


def count(yunzhuo: Running, cloud: Cloud, desktops: list[str]) -> None:
    """From outside: a machine's process for each server that runs and no other; a folder for each; a disk at one at most."""
    eventually(lambda: answers(cloud), 60, what="the host that was started again")
    root = yunzhuo.settings().host_dir / "desktops"

    def servers() -> list[str]:
        return sorted(server.desktop_id for server in cloud.servers.list())

    eventually(lambda: servers() == sorted(desktops), 60, what=lambda: f"servers of {servers()}, desktops {desktops}")
    running = sorted(server.id for server in cloud.servers.list() if server.status is ServerStatus.RUNNING)

    def processes() -> list[str]:
        return sorted(process.folder.name for process in working_below(root))

    eventually(lambda: processes() == running, 60, what=lambda: f"processes of {processes()}, running {running}")
    folders = {folder.name for folder in root.iterdir()}
    assert folders == {server.id for server in cloud.servers.list()}, "something was left behind"
    holders = [process.identity.pid for process in working_below(root) if has_a_volume(process.identity.pid)]
    assert len(holders) == sum(volume.server_id is not None for volume in cloud.volumes.list()) <= 1


def answers(cloud: Cloud) -> bool:
    """Whether the host is there again, and our connection to it is no dead one's."""
    with contextlib.suppress(CloudUnavailable):
        cloud.servers.list()
        return True
    return False


def has_a_volume(pid: int) -> bool:
    """Whether a process has a disk of the folder of volumes open."""
    return any("/host/volumes/" in name for name in open_files(pid).values())
