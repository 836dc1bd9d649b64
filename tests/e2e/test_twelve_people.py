"""Twelve people at a floating pool of eight with three spares, for ten minutes, on real machines: ``make test-people``.

``YUNZHUO_TEST_SEED``, ``YUNZHUO_TEST_PEOPLE`` and ``YUNZHUO_TEST_MINUTES`` change the run; what happens is in
tests/support/pool_day.py. On a real OpenStack: tests/cloud/test_cloud_people.py.
"""

import os
import signal

import pytest
from tests.support.pool_day import MINUTES, PEOPLE, Place, open_pool, spend
from tests.support.pool_hands_local import LocalHands
from tests.support.running import Running

from yunzhuo.host.processes import working_below
from yunzhuo.phoenix import cloud as clouds

CAPACITY, SPARES = max(2, PEOPLE * 2 // 3), max(1, PEOPLE // 4)

pytestmark = [pytest.mark.people, pytest.mark.timeout(int(MINUTES * 60) + 1800)]


def test_people_come_and_go(yunzhuo: Running) -> None:
    async def kill_host() -> None:
        os.kill(yunzhuo.pids()["host"], signal.SIGKILL)  # the supervisor starts it again

    place = Place(yunzhuo, LocalHands(), lambda: machines_of(yunzhuo), kill_host)
    with open_pool(place, capacity=CAPACITY, spares=SPARES) as pool:
        spend(place, pool)


def machines_of(yunzhuo: Running) -> dict[str, int]:
    """The processes of machines by desktop."""
    cloud = clouds.connect(yunzhuo.settings())
    try:
        desktops = {server.id: server.desktop_id for server in cloud.servers.list()}
    finally:
        cloud.close()
    found = working_below(yunzhuo.settings().host_dir / "desktops")
    return {desktops[each.folder.name]: each.identity.pid for each in found if each.folder.name in desktops}
