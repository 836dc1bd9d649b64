"""Giving a server another disk or another size. A host process that dies over it leaves it to the next one (``go_on``)."""

from yunzhuo.host.engine import Engine, require_fitting
from yunzhuo.host.entries import Change, Entry
from yunzhuo.host.making import Maker
from yunzhuo.host.pictures import forget_picture
from yunzhuo.host.power import Power, require_not_suspended, require_unchanged
from yunzhuo.host.registry import Registry
from yunzhuo.host.servers import in_words
from yunzhuo.host.store import Phase, Wanted
from yunzhuo.phoenix.cloud.errors import ServerBusy
from yunzhuo.phoenix.cloud.resources import ServerStatus
from yunzhuo.phoenix.common.errors import InvalidInput, YunzhuoError
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.settings import FlavorSettings

logger = get_logger()


class Reshaping:
    """Rebuild and resize."""

    def __init__(self, engine: Engine, registry: Registry, maker: Maker, power: Power) -> None:
        self._engine = engine
        self._registry = registry
        self._maker = maker
        self._power = power

    async def rebuild(self, server_id: str, image_id: str, language: str | None = None) -> None:
        """Begin anew from an image, as somebody else.

        Raises ServerNotFound, ImageNotFound, InvalidInput, ServerBusy, NoCapacity.
        """
        entry = self._registry.get(server_id)
        image = self._engine.images.get(image_id)
        require_fitting(image, entry.record.flavor)
        require_unchanged(entry)
        require_not_suspended(entry)
        status = entry.status
        if status is ServerStatus.ERROR:
            self._registry.require_room(entry.record.memory_mib)
        wanted = Wanted.STOPPED if status is ServerStatus.STOPPED else Wanted.RUNNING
        of_image = {"image_id": image.id, "is_silent": not image.has_kernel, "language": language or entry.record.language}
        written = {"phase": Phase.REBUILDING, **of_image, "wanted": wanted, "fault": None, "snapshots": ()}
        await self._power.accept(entry, Change.REBUILDING, self._rebuild, **written)

    async def resize(self, server_id: str, flavor_id: str) -> None:
        """Give another size. Raises ServerNotFound, FlavorNotFound, InvalidInput, ServerBusy, NoCapacity."""
        entry = self._registry.get(server_id)
        flavor = self._engine.flavor(flavor_id)
        if flavor_id == entry.record.flavor_id and entry.record.next_flavor is None:
            return
        require_unchanged(entry)
        if entry.status not in (ServerStatus.RUNNING, ServerStatus.STOPPED):
            raise ServerBusy(f"A server that is {entry.status.value} cannot be resized.", server_id=server_id)
        _require_growing(entry, flavor)
        require_fitting(self._engine.images.get(entry.record.image_id), flavor)
        if entry.running:
            self._registry.require_room(max(flavor.memory_mib - entry.record.memory_mib, 0))
        # A machine that ended by itself is stopped, whatever was wanted of it.
        wanted = Wanted.RUNNING if entry.running else Wanted.STOPPED
        written = {"next_flavor": flavor, "wanted": wanted, "fault": None}
        await self._power.accept(entry, Change.RESIZING, lambda one: self._resize(one, flavor), **written)

    async def go_on(self, entry: Entry) -> None:
        """Finish what an earlier host process had accepted; its machine, if it runs, is followed already."""
        if entry.record.phase is Phase.REBUILDING:
            self._power.begin(entry, Change.REBUILDING, self._rebuild(entry))
        elif entry.record.next_flavor is not None:
            self._power.begin(entry, Change.RESIZING, self._resize(entry, entry.record.next_flavor))

    async def _rebuild(self, entry: Entry) -> None:
        try:
            await self._power.pull_plug(entry)
            forget_picture(entry)
            await self._maker.renew_secrets(entry)
            if entry.record.wanted is Wanted.RUNNING:
                await self._power.bring_up(entry)
            else:
                await self._maker.make_disk(entry)
                await entry.save(phase=Phase.MADE, process=None, saved=None)
        except (YunzhuoError, OSError) as error:
            # Hard reboot makes it again, and then it runs.
            fault = f"The server could not be rebuilt: {in_words(error)}"
            await entry.save(phase=Phase.FAILED, wanted=Wanted.RUNNING, process=None, fault=fault)
            raise
        logger.info("server_rebuilt", server_id=entry.id, image_id=entry.record.image_id)

    async def _resize(self, entry: Entry, flavor: FlavorSettings) -> None:
        await self._power.switch_off(entry)
        size = flavor.model_dump(include={"vcpus", "memory_mib", "disk_mib"})
        fault = None
        try:
            await self._maker.grow_disk(entry, flavor.disk_mib)
        except (YunzhuoError, OSError) as error:
            logger.warning("server_not_resized", server_id=entry.id, why=in_words(error))
            fault = f"The server could not be resized: {in_words(error)}"
            await entry.save(next_flavor=None, fault=fault)
        else:
            await entry.save(next_flavor=None, flavor_id=flavor.id, fault=None, saved=None, **size)
        if entry.record.wanted is Wanted.RUNNING:
            await self._boot_again(entry, fault)
        logger.info("server_resized", server_id=entry.id, flavor_id=entry.record.flavor_id)

    async def _boot_again(self, entry: Entry, fault: str | None) -> None:
        try:
            await self._power.boot(entry)
        except (YunzhuoError, OSError) as error:
            await entry.save(wanted=Wanted.STOPPED, fault=fault or f"It did not start again: {in_words(error)}")
            raise


def _require_growing(entry: Entry, flavor: FlavorSettings) -> None:
    if flavor.disk_mib < entry.record.disk_mib:
        problem = f"The disk has {entry.record.disk_mib} MiB and cannot become smaller."
        raise InvalidInput(problem, code="disk_would_shrink", fields={"flavor_id": problem})
