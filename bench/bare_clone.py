"""What the host adds to a bare clone: QEMU's own time from its start to a running machine, beside the driver's.

``python bench/bare_clone.py [--rounds N] [--at-once N] [--json]``. Starts a host of its own, with a golden. Each round makes
one bare clone (A: overlay, QEMU, state, first frame; no record, no network, no identity) and one server through the driver (B:
create returns, guest ready); what is compared is the median of the ratios of neighboring rounds. Then many servers are asked
for at once. With ``--json`` the last line is one JSON object; times are seconds, memory MiB.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.local_cloud import SMALL, HostProcess, host_process, local_settings  # noqa: E402 (the path has to be set first)
from tests.support.waiting import eventually  # noqa: E402

from yunzhuo.host.argv import Accelerator, Channels, GuestNetwork, Hardware, MachineSpec, Memory  # noqa: E402
from yunzhuo.host.goldens import OVERLAY_NAME, RAM_NAME, STATE_NAME, Golden, new_memory, read_golden, seal  # noqa: E402
from yunzhuo.host.images import Images  # noqa: E402
from yunzhuo.host.launch import NetworkEntrance, launch  # noqa: E402
from yunzhuo.host.layout import DISK_NAME, ROOT_FROM_MACHINE, Layout  # noqa: E402
from yunzhuo.host.machine import Machine  # noqa: E402
from yunzhuo.host.privileges import qemu_account  # noqa: E402
from yunzhuo.host.processes import working_below  # noqa: E402
from yunzhuo.host.server_secrets import Identity, new_secrets  # noqa: E402
from yunzhuo.host.sparse import copy_data  # noqa: E402
from yunzhuo.phoenix.cloud.interface import Cloud  # noqa: E402
from yunzhuo.phoenix.cloud.resources import ServerRequest  # noqa: E402
from yunzhuo.phoenix.common.ids import new_id  # noqa: E402

BARE = "bare"
FRAME = "screen/frame.ppm"


@dataclass(frozen=True)
class Bare:
    """One bare clone, from the start of its overlay."""

    running: float
    first_frame: float


@dataclass(frozen=True)
class Made:
    """One server of the driver, from the call."""

    created: float
    ready: float


class Cloner:
    """Clones the golden of a host with nothing around it, in a folder beside the host's servers."""

    def __init__(self, host: HostProcess) -> None:
        settings = host.settings
        self._layout = Layout(settings.host_dir)
        self._account = qemu_account(settings.host.qemu_user)
        with host.connected() as cloud:
            self._hardware = Hardware(
                vcpus=SMALL.vcpus,
                memory_mib=SMALL.memory_mib,
                accelerator=Accelerator(cloud.hosts.list()[0].accelerator),
                kernel_args=Images(self._layout.images).list()[0].manifest.kernel_args,
            )
        self._golden = next(golden for folder in self._layout.goldens.iterdir() if (golden := read_golden(folder)))

    async def clone(self) -> Bare:
        """Make one clone, look at its screen, and end it."""
        with self._memory(self._golden) as memory, self._state(self._golden) as state, self._folder() as folder:
            start = time.monotonic()
            shutil.copyfile(self._golden.folder / OVERLAY_NAME, folder / DISK_NAME)
            self._account.own(folder / DISK_NAME, 0o600)
            launched = launch(
                folder,
                lambda channels: self._spec(channels, memory),
                self._account,
                NetworkEntrance(),
                inherited=(memory, state),
            )
            identity = Identity(new_secrets(BARE), lambda: BARE)
            machine = await Machine.after_launch(folder, launched, identity, is_clone=True)
            await machine.restore(state)
            running = time.monotonic() - start
            await machine.monitor.execute("screendump", {"filename": FRAME})
            first_frame = time.monotonic() - start
            await machine.kill()
        return Bare(running, first_frame)

    def _spec(self, channels: Channels, memory: int) -> MachineSpec:
        base = f"{ROOT_FROM_MACHINE}/images/{self._golden.manifest.image_id}"
        return MachineSpec(
            machine_id=BARE,
            hardware=self._hardware,
            kernel=f"{base}/vmlinuz",
            initrd=f"{base}/initrd.gz",
            network=GuestNetwork.NOTHING,
            channels=channels,
            memory=Memory.PRIVATE_COPY,
            memory_fd=memory,
            waits_for_state=True,
        )

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        folder = self._layout.server(BARE)
        folder.mkdir()
        self._account.let_pass(folder)
        yield folder
        shutil.rmtree(folder)

    @contextmanager
    def _memory(self, golden: Golden) -> Iterator[int]:
        descriptor = new_memory(golden.name, golden.manifest.memory_mib)
        with (golden.folder / RAM_NAME).open("rb") as source:
            copy_data(source.fileno(), descriptor)
        seal(descriptor)
        yield descriptor
        os.close(descriptor)

    @contextmanager
    def _state(self, golden: Golden) -> Iterator[int]:
        with (golden.folder / STATE_NAME).open("rb") as state:
            yield state.fileno()


def by_the_driver(cloud: Cloud) -> tuple[str, Made]:
    """The server's id, and how long it took."""
    start = time.monotonic()
    image, flavor = cloud.images.list()[0].id, cloud.flavors.list()[0].id
    server = cloud.servers.create(ServerRequest(new_id(), "bench", "bench", image, flavor))
    created = time.monotonic() - start
    eventually(lambda: cloud.guest.ready(server.id), 60)
    return server.id, Made(created, time.monotonic() - start)


def rounds(host: HostProcess, cloud: Cloud, count: int) -> tuple[list[Bare], list[Made]]:
    """Round after round; the first warms up and is not counted."""
    cloner, bares, mades = Cloner(host), [], []
    for _ in range(count + 1):
        bares.append(asyncio.run(cloner.clone()))
        server_id, made = by_the_driver(cloud)
        cloud.servers.delete(server_id)
        mades.append(made)
    return bares[1:], mades[1:]


def at_once(host: HostProcess, cloud: Cloud, count: int) -> tuple[float, float]:
    """Seconds until the last of ``count`` is ready, and the private memory of each then (median)."""
    start = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        server_ids = [server_id for server_id, _ in pool.map(lambda _: by_the_driver(cloud), range(count))]
    seconds = time.monotonic() - start
    private = statistics.median(private_mib(found.identity.pid) for found in working_below(host.settings.host_dir / "desktops"))
    for server_id in server_ids:
        cloud.servers.delete(server_id)
    return seconds, private


def private_mib(pid: int) -> float:
    """Memory that only this process has (proc(5), smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--at-once", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        host_process(local_settings(Path(folder) / "var")) as host,
        host.connected() as cloud,
    ):
        bares, mades = rounds(host, cloud, arguments.rounds)
        all_ready, private = at_once(host, cloud, arguments.at_once)
    figures = {
        "bare clone: running": statistics.median(bare.running for bare in bares),
        "bare clone: first frame": statistics.median(bare.first_frame for bare in bares),
        "driver: created": statistics.median(made.created for made in mades),
        "driver: ready": statistics.median(made.ready for made in mades),
        "ratio created / bare running": statistics.median(
            made.created / bare.running for made, bare in zip(mades, bares, strict=True)
        ),
        "ratio ready / bare running": statistics.median(
            made.ready / bare.running for made, bare in zip(mades, bares, strict=True)
        ),
        f"{arguments.at_once} at once: all ready": all_ready,
        "private memory of one, MiB": private,
    }
    width = max(map(len, figures))
    print("\n".join(f"{name:<{width}}  {value:.3f}" for name, value in figures.items()))
    if arguments.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
