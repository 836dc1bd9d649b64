"""The host as a whole: its parts put together, started, watched over and let go."""

import asyncio
import os
import shutil
import socket

from yunzhuo.host.accelerator import qemu_program
from yunzhuo.host.adoption import Adoption
from yunzhuo.host.capacity import disk_size_mib, measure, meminfo
from yunzhuo.host.engine import Engine
from yunzhuo.host.entries import HOST_ID, Entry
from yunzhuo.host.golden_cache import GoldenCache, cache_folder
from yunzhuo.host.golden_keeper import GoldenKeeper
from yunzhuo.host.goldens import Goldens
from yunzhuo.host.guest import Guests
from yunzhuo.host.guest_files import GuestFiles
from yunzhuo.host.images import Images
from yunzhuo.host.layout import Layout
from yunzhuo.host.making import Maker
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.network import Network
from yunzhuo.host.pictures import Pictures
from yunzhuo.host.power import Power
from yunzhuo.host.privileges import qemu_account
from yunzhuo.host.registry import Registry
from yunzhuo.host.reshaping import Reshaping
from yunzhuo.host.servers import NETWORK_ID, Servers
from yunzhuo.host.snapshots import Snapshots
from yunzhuo.host.suspension import Suspension
from yunzhuo.host.volumes import Volumes
from yunzhuo.phoenix.cloud.errors import ImageNotFound
from yunzhuo.phoenix.cloud.resources import Flavor, Host, Image
from yunzhuo.phoenix.cloud.resources import Network as NetworkResource
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.settings import Settings

_ROUND_SECONDS = 2.0

logger = get_logger()


class DesktopHost:
    """This computer as a cloud. Make it inside a running event loop, ``start`` it once, ``close`` it once."""

    def __init__(self, settings: Settings) -> None:
        """Raises QemuUserMissing."""
        account = qemu_account(settings.host.qemu_user)
        layout = Layout(settings.host_dir.absolute())
        layout.make(account)
        self._network = Network(layout.network, layout.desktops, wants_internet=settings.host.guest_internet)
        images = Images(layout.images, settings.host.image)
        languages = tuple(dict.fromkeys((settings.language, *settings.host.prepared_languages)))
        self._engine = Engine(settings.host, layout, account, self._network, images, languages)
        self._goldens = Goldens(layout.goldens)
        self._registry = Registry(self._engine)
        self._keeper = GoldenKeeper(
            self._engine,
            self._goldens,
            GoldenCache(cache_folder(settings.host.cache) / "goldens"),
            last_busy_at=self._registry.last_busy_at,
            in_use=self._registry.goldens_in_use,
        )
        maker = Maker(self._engine, self._goldens, self._keeper.find)
        self.power = Power(self._registry, maker, shutdown_seconds=settings.host.shutdown_seconds)
        self.servers = Servers(self._engine, self._registry, maker, self.power)
        self.reshaping = Reshaping(self._engine, self._registry, maker, self.power)
        self.suspension = Suspension(self._registry, maker, self.power)
        self.snapshots = Snapshots(self._registry, maker, self.power)
        self.volumes = Volumes(self._engine, self._registry, self.power)
        self.pictures = Pictures(self._registry)
        self.guests = Guests(self._registry)
        self.files = GuestFiles(self.guests)
        unfinished = (self.reshaping, self.suspension, self.snapshots)
        self._adoption = Adoption(layout, self._registry, self.servers, self.power, self._goldens, unfinished)
        self._watch: asyncio.Task[None] | None = None

    async def start(self, *, with_goldens: bool = True) -> None:
        """Adopt what is there, then begin to prepare goldens."""
        self._goldens.load()
        await self._network.start()
        await self._adoption.run()
        await self.volumes.load()
        if with_goldens:
            self._keeper.start()
        self._watch = asyncio.create_task(self._watch_over())
        logger.info("host_started", servers=len(self._registry), network=self._network.kind.value)

    async def close(self) -> None:
        """Let everything go; machines and their network live on."""
        await self._keeper.close()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self.power.close()
        machines = [entry.running for entry in self._registry]
        await asyncio.gather(*(machine.close() for machine in machines if machine is not None))
        self._goldens.close()
        await (self._network.close() if any(machines) else self._network.tear_down())

    async def stop_all(self) -> int:
        """Switch every machine off, gently where its guest lets us; the answer is how many ran."""
        running = [entry for entry in self._registry if entry.running or entry.comes_up]
        await asyncio.gather(*(self._stop(entry) for entry in running))
        return len(running)

    def images(self) -> list[Image]:
        """The default one first."""
        return [image.described(is_default=place == 0) for place, image in enumerate(self._engine.images.list())]

    def image(self, image_id: str) -> Image:
        """Raises ImageNotFound."""
        for image in self.images():
            if image.id == image_id:
                return image
        raise ImageNotFound(image_id)

    async def is_prepared(self, image_id: str, flavor_id: str) -> bool:
        """Whether a golden in the installation's language stands. Raises ImageNotFound, FlavorNotFound, MachineFailed."""
        image, flavor = self._engine.images.get(image_id), self._engine.flavor(flavor_id)
        return await self._keeper.is_prepared(image, flavor)

    def flavors(self) -> list[Flavor]:
        """Smallest first, as the settings have them."""
        return [self.flavor(flavor.id) for flavor in self._engine.settings.flavors]

    def flavor(self, flavor_id: str) -> Flavor:
        """Raises FlavorNotFound."""
        of = self._engine.flavor(flavor_id)
        return Flavor(of.id, of.name, of.vcpus, of.memory_mib, of.disk_mib)

    def networks(self) -> list[NetworkResource]:
        """The one network: each machine alone, seeing the outside but no other machine."""
        return [NetworkResource(NETWORK_ID, "Private", self._network.reaches_internet)]

    def hosts(self) -> list[Host]:
        """This computer."""
        room, settings = measure(self._engine.layout.root), self._engine.settings
        accelerator = self._engine.known_accelerator
        return [
            Host(
                id=HOST_ID,
                name=socket.gethostname(),
                accelerator=accelerator.value if accelerator else "unknown",
                vcpus=os.cpu_count() or 1,
                memory_mib=meminfo("MemTotal"),
                memory_free_mib=max(room.memory_mib - settings.memory_reserve_mib, 0),
                disk_free_mib=max(room.disk_mib - settings.disk_reserve_mib, 0),
                servers=len(self._registry),
                problems=tuple(self._problems()),
                disk_mib=disk_size_mib(self._engine.layout.root),
            )
        ]

    def _problems(self) -> list[str]:
        problems = [*self._adoption.problems, *self.volumes.problems, *self._keeper.problems]
        if self._network.problem is not None:
            problems.append(self._network.problem)
        if self._engine.images.default() is None:
            problems.append("There is no image to start desktops from.")
        if shutil.which("qemu-system-x86_64") is None:
            problems.append("QEMU is not installed (package qemu-system-x86).")
        return problems

    async def _stop(self, entry: Entry) -> None:
        if entry.task is not None and entry.change is not None:
            await asyncio.gather(entry.task, return_exceptions=True)
        if entry.running is not None and entry.change is None:
            await self.power.begin_stop(entry)

    async def _watch_over(self) -> None:
        """Let machines go on that were held because the disk was full, once it is not; notice an upgrade of QEMU."""
        program = qemu_program()
        while True:
            await asyncio.sleep(_ROUND_SECONDS)
            if program != (program := qemu_program()):
                logger.info("qemu_changed")
                await self.suspension.look_again()
            running = [entry.running for entry in self._registry if entry.running and entry.change is None]
            held = [machine for machine in running if machine.stopped_by_full_disk]
            if not held or measure(self._engine.layout.root).disk_mib <= self._engine.settings.disk_reserve_mib:
                continue
            for machine in held:
                machine.stopped_by_full_disk = False
                try:
                    await machine.monitor.execute("cont")
                except MachineFailed:
                    logger.warning("server_not_continued", server_id=machine.folder.name)
