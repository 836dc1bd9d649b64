"""Making servers, finding them, and removing them. See power.py for why no verb awaits before it has said what it does."""

import asyncio
import errno
import re
from datetime import UTC, datetime

from yunzhuo.host.engine import Engine, require_fitting
from yunzhuo.host.entries import Change, Entry
from yunzhuo.host.layout import SPICE_SOCKET, VNC_SOCKET
from yunzhuo.host.making import Maker
from yunzhuo.host.power import Power
from yunzhuo.host.processes import cpu_seconds
from yunzhuo.host.registry import Registry
from yunzhuo.host.removal import remove_folder
from yunzhuo.host.server_secrets import new_secrets
from yunzhuo.host.store import Phase, ServerRecord
from yunzhuo.host.waiting import finish
from yunzhuo.phoenix.cloud.errors import CloudNotOffered, CloudUnavailable, NoCapacity, ServerBusy
from yunzhuo.phoenix.cloud.resources import Console, ConsoleProtocol, Server, ServerRequest, ServerStatus
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound, YunzhuoError
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.common.logging import get_logger

NETWORK_ID = "private"
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")

logger = get_logger()


class Servers:
    """What can be asked of the host about whole servers."""

    def __init__(self, engine: Engine, registry: Registry, maker: Maker, power: Power) -> None:
        self._engine = engine
        self._registry = registry
        self._maker = maker
        self._power = power

    async def create(self, request: ServerRequest) -> Server:
        """Make a server, or answer with the one of this tag. Returns when it runs; who it is follows by itself."""
        entry = self._registry.tagged(request.desktop_id)
        if entry is None:
            entry = self._accept(request)
        elif entry.change is Change.DELETING:
            raise ServerBusy("The server of this desktop is just being deleted.", server_id=entry.id)
        if entry.change is Change.MAKING and entry.task is not None:
            await self._wait_until_made(entry, entry.task)
        return entry.described()

    def get(self, server_id: str) -> Server:
        """Raises ServerNotFound."""
        return self._registry.get(server_id).described()

    def list(self, desktop_id: str | None = None) -> list[Server]:
        """All servers, or those of one tag (at most one)."""
        return [entry.described() for entry in self._registry if desktop_id in (None, entry.record.desktop_id)]

    async def rename(self, server_id: str, name: str) -> None:
        """Change the name shown. Raises ServerNotFound."""
        entry = self._registry.get(server_id)
        if entry.change is not Change.DELETING:
            await entry.save(name=name)

    def console(self, server_id: str, protocol: ConsoleProtocol) -> Console:
        """Where the screen is. Raises ServerNotFound, ServerBusy, CloudNotOffered."""
        entry = self._registry.get(server_id)
        if protocol is ConsoleProtocol.RDP:
            raise CloudNotOffered("RDP consoles")
        if entry.running is None or entry.status is not ServerStatus.RUNNING:
            raise ServerBusy("The server does not run.", server_id=server_id)
        is_vnc = protocol is ConsoleProtocol.VNC
        password = entry.secrets.vnc_password if is_vnc else entry.secrets.spice_password
        path = entry.folder / (VNC_SOCKET if is_vnc else SPICE_SOCKET)
        # QEMU may write in that folder: whoever connects with more rights than QEMU must not be led elsewhere.
        if path.is_symlink() or not path.is_socket():
            raise ServerBusy("The server's screen is not there.", server_id=server_id)
        return Console(protocol, password, unix_path=str(path))

    def cpu_seconds(self, server_id: str) -> float:
        """What its QEMU used of this computer's processors. Raises ServerNotFound, ServerBusy."""
        entry = self._registry.get(server_id)
        seconds = None
        if entry.running is not None and entry.status is ServerStatus.RUNNING:
            seconds = cpu_seconds(entry.running.process.identity)
        if seconds is None:
            raise ServerBusy("The server does not run.", server_id=server_id)
        return seconds

    async def delete(self, server_id: str) -> None:
        """Remove a server, whatever is being done to it; returns when nothing of it is left."""
        entry = self._registry.find(server_id)
        if entry is None:
            return
        if entry.change is not Change.DELETING or entry.task is None:
            interrupted = entry.task
            self._power.begin(entry, Change.DELETING, self._delete(entry, interrupted))
        if entry.task is not None:
            await asyncio.shield(entry.task)

    def finish_making(self, entry: Entry) -> None:
        """Go on with a server whose making an earlier host process did not finish."""
        self._power.begin(entry, Change.MAKING, self._make_again(entry))

    def _accept(self, request: ServerRequest) -> Entry:
        """Check a request, and make its entry. No await: the tag was just seen to be free."""
        image = self._engine.images.get(request.image_id)
        flavor = self._engine.flavor(request.flavor_id)
        _require_hostname(request.hostname)
        if request.network_id not in (None, NETWORK_ID):
            raise NotFound("network_not_found", "The cloud has no such network.", network_id=request.network_id)
        require_fitting(image, flavor)
        self._registry.require_room(flavor.memory_mib)
        server_id = new_id()
        record = ServerRecord(
            id=server_id,
            desktop_id=request.desktop_id,
            name=request.name,
            hostname=request.hostname,
            image_id=image.id,
            flavor_id=flavor.id,
            vcpus=flavor.vcpus,
            memory_mib=flavor.memory_mib,
            disk_mib=flavor.disk_mib,
            metadata=request.metadata,
            created_at=datetime.now(UTC),
            is_silent=not image.has_kernel,
            language=request.language,
        )
        entry = Entry(record, self._engine.layout.server(server_id), new_secrets(server_id))
        self._registry.add(entry)
        self._power.begin(entry, Change.MAKING, self._make(entry))
        return entry

    async def _make(self, entry: Entry) -> None:
        try:
            await self._maker.write_down(entry)
            await self._power.bring_up(entry)
        except Exception as error:
            logger.warning("server_not_made", server_id=entry.id, why=str(error))
            await self._leave_nothing(entry)
            raise
        logger.info("server_created", server_id=entry.id, desktop_id=entry.record.desktop_id, golden=entry.record.golden)

    async def _make_again(self, entry: Entry) -> None:
        try:
            await self._power.bring_up(entry)
        except (YunzhuoError, OSError) as error:
            await entry.save(phase=Phase.FAILED, fault=f"The server could not be made: {in_words(error)}")
            raise

    async def _wait_until_made(self, entry: Entry, making: "asyncio.Task[None]") -> None:
        try:
            await asyncio.shield(making)
        except asyncio.CancelledError:
            if not making.cancelled():
                raise
            raise ServerBusy("The server was deleted while it was being made.", server_id=entry.id) from None
        except OSError as error:
            raise as_cloud_error(error) from error

    async def _delete(self, entry: Entry, interrupted: "asyncio.Task[None] | None") -> None:
        if interrupted is not None and not interrupted.done():
            interrupted.cancel()
            await asyncio.gather(interrupted, return_exceptions=True)
        await self._leave_nothing(entry)
        logger.info("server_deleted", server_id=entry.id)

    async def _leave_nothing(self, entry: Entry) -> None:
        machine, entry.machine = entry.machine, None
        if machine is not None:
            await machine.kill()
        async with entry.writing:
            await finish(asyncio.to_thread(remove_folder, entry.folder))
        self._registry.drop(entry)


def in_words(error: YunzhuoError | OSError) -> str:
    """Why something failed, for a person."""
    return error.message if isinstance(error, YunzhuoError) else str(error)


def as_cloud_error(error: OSError) -> YunzhuoError:
    """What a failing file or process call means to somebody who asked for a server."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoCapacity("This computer's disk is full.")
    if error.errno == errno.ENOMEM:
        return NoCapacity("This computer has no memory left.")
    return CloudUnavailable(f"The host could not do it: {error}")


def _require_hostname(hostname: str) -> None:
    """It becomes a line of what the guest is told: nothing but a label may get there (RFC 1123, 2.1)."""
    if not _HOSTNAME.fullmatch(hostname):
        raise InvalidInput("The hostname is not a label of letters, digits and hyphens.", fields={"hostname": "not a label"})
