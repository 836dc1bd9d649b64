"""Twelve people at a floating pool of four on a real OpenStack, for ten minutes: ``make test-people-cloud``.

As tests/e2e/test_twelve_people.py has it on this computer's own machines; here personal files are on volumes of Cinder, people
type all that they do, and the host process is nova-compute, which is started again soon after its death, as systemd would.
Only for the cloud of ``make cloud``, whose processes are ours to kill.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from infras.openstack.layout import REAL_HOST, Layout
from infras.openstack.processes import Processes
from sqlalchemy import text
from tests.support.openstack_cloud import OF_THE_SDK
from tests.support.openstack_site import Site, openstack_site
from tests.support.pool_day import MINUTES, Place, open_pool, rows, spend
from tests.support.pool_hands_openstack import TypingHands
from tests.support.waiting import eventually

CAPACITY, SPARES = 4, 2
_AWAY_SECONDS = 3.0
_PATIENCE = 300.0
_ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.people, pytest.mark.cloud, pytest.mark.timeout(int(MINUTES * 60) + 1800), OF_THE_SDK]


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    assert not os.environ.get("OPENSTACK_TEST_CLOUDS"), "only this computer's own cloud has processes that are ours to kill"
    with openstack_site(tmp_path_factory.mktemp("people") / "var") as site:
        yield site


def test_people_come_and_go_on_openstack(site: Site) -> None:
    layout = Layout.of_this_computer()

    def server_of(desktop_id: str) -> str:
        found = rows(site.yunzhuo, text("SELECT id, server_id FROM desktops WHERE id = :id"), id=desktop_id)
        return dict(found)[desktop_id]

    place = Place(
        site.yunzhuo,
        TypingHands(layout, server_of),
        lambda: _machines_of(site),
        lambda: _kill_host(layout),
        patience_seconds=_PATIENCE,
        look_again_seconds=(3, 8),
        # Not all at once, or there would never be a spare: each desktop takes a minute to be built and to be removed.
        first_seconds=(0, 240),
        away_seconds=(90, 270),
        has_room=False,
    )
    with open_pool(place, capacity=CAPACITY, spares=SPARES) as pool:
        crowd = spend(place, pool)
        found = [visit.notes_found for visit in crowd.visits if visit.notes_found]
        print(f"{sum(found)} notes of earlier visits were found on {len(found)} visits, each by whoever wrote it, and no mark")
        assert len(site.servers()) == SPARES
    eventually(lambda: not site.servers(), _PATIENCE, what="no server left")


def _machines_of(site: Site) -> dict[str, int]:
    """The processes of desktops; of spares also those that are still being built, as ready ones are soon somebody's."""
    asked = text("SELECT server_id, id FROM desktops WHERE server_id IS NOT NULL AND deleted_at IS NULL")
    desktops = dict(rows(site.yunzhuo, asked))
    found = {}
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0") if process.name.isdecimal() else []
        except OSError:  # it has ended meanwhile
            continue
        if words[0:1] and b"qemu-system" in words[0] and b"-uuid" in words:
            server_id = words[words.index(b"-uuid") + 1].decode()
            if server_id in desktops:
                found[desktops[server_id]] = int(process.name)
    return found


async def _kill_host(layout: Layout) -> None:
    """What carries the machines, for Nova: it dies, and is started again."""
    Processes(layout).disturb(f"nova-compute-{REAL_HOST}", signal.SIGKILL)
    await asyncio.sleep(_AWAY_SECONDS)
    command = [sys.executable, "-m", "infras.openstack", "up"]
    await asyncio.to_thread(subprocess.run, command, cwd=_ROOT, check=True, timeout=300)
