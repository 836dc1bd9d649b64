"""Processes are killed in the middle of creates: nothing is lost, doubled or left behind.

The seed is printed; ``YUNZHUO_TEST_SEED`` repeats a run.
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.running import Running, answer_of, running_yunzhuo
from tests.support.waiting import eventually
from yunzhuo.phoenix import cloud as clouds

ENDED = {"available", "error"}


@pytest.fixture(params=["memory", pytest.param("local", marks=pytest.mark.machine)])
def yunzhuo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    with running_yunzhuo(tmp_path / "var", CLOUD__DRIVER=request.param) as running:
        yield running


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("YUNZHUO_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.mark.servers
@pytest.mark.timeout(1800)
def test_any_process_may_die_in_the_middle_of_a_create(yunzhuo: Running, chance: random.Random) -> None:
    api = yunzhuo.api(yunzhuo.add_user("chaos@school.local"))
    image, flavor = api.get("images").json()["items"][0]["id"], api.get("flavors").json()["items"][0]["id"]
    names = sorted(yunzhuo.pids())
    made: list[str] = []
    for number in range(8):
        wish = {"name": f"Chaos {number}", "image": image, "flavor": flavor}
        made.append(_created(api, wish, key=f"chaos-{number}"))
        time.sleep(chance.uniform(0, 0.3))
        victim = chance.choice(names)
        print(f"{number}: kill {victim}")
        with contextlib.suppress(ProcessLookupError, KeyError):  # it may be dead already, and not started again yet
            os.kill(yunzhuo.pids()[victim], signal.SIGKILL)

    def states() -> dict[str, str]:
        with contextlib.suppress(httpx.HTTPError, KeyError):
            return {desktop["id"]: desktop["state"] for desktop in api.get("desktops?limit=100").json()["items"]}
        return {}

    eventually(lambda: len(states()) == len(made) and set(states().values()) <= ENDED, 240, what=lambda: f"{states()}")
    assert sorted(states()) == sorted(made), "nothing lost, nothing doubled"
    cloud = clouds.connect(yunzhuo.settings())
    tags = [server.desktop_id for server in cloud.servers.list()]
    assert len(tags) == len(set(tags)), "one machine for each desktop"
    assert {desktop for desktop, state in states().items() if state == "available"} <= set(tags) <= set(made)
    for desktop_id in made:
        eventually(lambda: api.delete(f"desktops/{desktop_id}").status_code in (202, 404), 30)  # noqa: B023 (called at once)
    eventually(lambda: not states() and not cloud.servers.list(), 240, what=lambda: f"{states()}")
    cloud.close()


def _created(api: httpx.Client, wish: dict[str, str], key: str) -> str:
    """Ask until there is an answer: what a client does whose connection broke. The key keeps it to one desktop."""

    def ask() -> str | None:
        with contextlib.suppress(httpx.TransportError):
            answer = api.post("desktops", json=wish, headers={"Idempotency-Key": key})
            if answer.status_code < 500:
                return str(answer_of(answer, 202)["desktop"]["id"])
        return None

    return eventually(ask, 60)
