"""QEMU's monitor (QMP), with deadlines and errors of our own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from socket import socket
from typing import Any, Self

from qemu.qmp import EventListener, Message, QMPClient, QMPError, Runstate
from qemu.qmp.qmp_client import ExecuteError

from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.phoenix.common.ids import new_id

# What QEMU's own end looks like from here is told by the process's end; the library would tell it a second time.
for _name in ("qemu.qmp.protocol", "qemu.qmp.qmp_client"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class MachineFailed(Unavailable):
    """QEMU did not start, refused a command, or does not answer."""

    def __init__(self, message: str) -> None:
        super().__init__("machine_failed", message)


class Monitor:
    """A connection to one QEMU."""

    def __init__(self, client: QMPClient) -> None:
        self._client = client
        self._closing: asyncio.Task[None] | None = None
        # QEMU keeps only the descriptor that came last, until a command takes it.
        self._handing_over = asyncio.Lock()

    @classmethod
    async def connect(cls, connection: socket, name: str, *, timeout_seconds: float = 15) -> Self:
        """Greet QEMU over a connected socket. Raises MachineFailed."""
        client = QMPClient(name)
        try:
            async with asyncio.timeout(timeout_seconds):
                await client.connect(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, QMPError | OSError | EOFError):
                raise MachineFailed("QEMU's monitor does not answer.") from error
            raise
        return cls(client)

    async def execute(self, command: str, arguments: Mapping[str, object] | None = None, *, timeout_seconds: float = 10) -> Any:
        """QEMU's answer. Raises MachineFailed."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._client.execute(command, arguments)
        except ExecuteError as error:
            raise MachineFailed(f"QEMU refused {command}: {error}") from error
        except (QMPError, OSError, EOFError) as error:
            raise MachineFailed(f"QEMU did not answer {command}.") from error

    async def hand_over(self, descriptor: int, name: str) -> None:
        """Give QEMU a descriptor of ours, to be used once as ``fd:NAME``. Raises MachineFailed."""
        async with self._handing_over:
            self._client.send_fd_scm(descriptor)
            await self.execute("getfd", {"fdname": name})

    @asynccontextmanager
    async def lend(self, descriptor: int) -> AsyncIterator[str]:
        """Let QEMU open a descriptor of ours as the file that this answers. Raises MachineFailed."""
        async with self._handing_over:
            self._client.send_fd_scm(descriptor)
            number = (await self.execute("add-fd"))["fdset-id"]
        try:
            yield f"/dev/fdset/{number}"
        finally:
            await self.execute("remove-fd", {"fdset-id": number})

    async def migrate(self, command: str, uri: str, *, timeout_seconds: float) -> None:
        """Start a migration and return when it is through. Needs the capability ``events``. Raises MachineFailed."""
        try:
            async with asyncio.timeout(timeout_seconds):
                with self._client.listener("MIGRATION") as events:
                    await self.execute(command, {"uri": uri})
                    ended = await _heard(events, lambda data: data.get("status") in ("completed", "failed"))
        except TimeoutError:
            raise MachineFailed(f"QEMU did not finish {command} in time.") from None
        if ended["status"] == "failed":
            raise MachineFailed(f"QEMU failed at {command}.")

    async def run_job(self, command: str, arguments: Mapping[str, object], *, timeout_seconds: float) -> None:
        """Start a job and return when it has done its work. Raises MachineFailed with QEMU's own reason."""
        job_id = f"job-{new_id()}"
        try:
            async with asyncio.timeout(timeout_seconds):
                with self._client.listener("JOB_STATUS_CHANGE") as events:
                    await self.execute(command, {"job-id": job_id, **arguments}, timeout_seconds=timeout_seconds)
                    await _heard(events, lambda data: (data.get("id"), data.get("status")) == (job_id, "concluded"))
                jobs = await self.execute("query-jobs", timeout_seconds=timeout_seconds)
                await self.execute("job-dismiss", {"id": job_id})
        except TimeoutError:
            raise MachineFailed(f"QEMU did not finish {command} in time.") from None
        error = next((job.get("error") for job in jobs if job.get("id") == job_id), None)
        if error:
            raise MachineFailed(f"QEMU failed at {command}: {error}")

    async def unplug(self, device: str, *, timeout_seconds: float) -> None:
        """Ask the guest to let go of a device, and return when it is gone. Raises MachineFailed when it does not let go."""
        try:
            async with asyncio.timeout(timeout_seconds):
                with self._client.listener("DEVICE_DELETED") as events:
                    try:
                        await self.execute("device_del", {"id": device})
                    except MachineFailed:
                        # It was asked to already, and takes its time; or it is gone.
                        if not await self.has_device(device):
                            return
                    await _heard(events, lambda data: data.get("device") == device)
        except TimeoutError:
            raise MachineFailed("The desktop did not let go of the device in time.") from None

    async def has_device(self, device: str) -> bool:
        """Whether a device that was given this id is plugged in. Raises MachineFailed."""
        found = await self.execute("qom-list", {"path": "/machine/peripheral"})
        return any(entry.get("name") == device for entry in found)

    async def has_node(self, name: str) -> bool:
        """Whether QEMU has a block node of this name open. Raises MachineFailed."""
        found = await self.execute("query-named-block-nodes", {"flat": True})
        return any(node.get("node-name") == name for node in found)

    def watch(self, handlers: Mapping[str, Callable[[Mapping[str, Any]], None]]) -> None:
        """Call the handler of each event with the event's data, in order, as it arrives."""
        self._client.register_listener(_Handlers(handlers))

    async def hung_up(self) -> None:
        """Return when QEMU has closed the connection; all it said before has been handled then."""
        while self._client.runstate is Runstate.RUNNING:
            await self._client.runstate_changed()

    async def close(self) -> None:
        """Hang up; QEMU goes on. May be called by several at once."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._hang_up())
        await asyncio.shield(self._closing)

    async def _hang_up(self) -> None:
        with suppress(QMPError, OSError, EOFError):  # it may have hung up first
            await self._client.disconnect()


async def _heard(events: EventListener, is_meant: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
    """The data of the first event that is meant; waits for it without end, so the caller has a deadline."""
    while True:
        data = (await events.get()).get("data")
        if isinstance(data, Mapping) and is_meant(data):
            return data


class _Handlers(EventListener):
    """A listener that hands events on at once instead of queueing them."""

    def __init__(self, handlers: Mapping[str, Callable[[Mapping[str, Any]], None]]) -> None:
        super().__init__(tuple(handlers))
        self._handlers = handlers

    async def put(self, event: Message) -> None:
        handler = self._handlers.get(str(event["event"]))
        if handler is not None:
            data = event.get("data")
            handler(data if isinstance(data, Mapping) else {})
