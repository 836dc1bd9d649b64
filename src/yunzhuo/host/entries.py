"""A server as the host process holds it: its record, and what is going on with it now."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from yunzhuo.host.machine import Machine
from yunzhuo.host.server_secrets import Identity, ServerSecrets
from yunzhuo.host.store import Phase, ServerRecord, Wanted, save_record
from yunzhuo.host.waiting import finish
from yunzhuo.phoenix.cloud.resources import FaultCode, Server, ServerStatus

HOST_ID = "local"


class Change(StrEnum):
    """What is being done to a server."""

    MAKING = "making"
    STARTING = "starting"
    STOPPING = "stopping"
    REBOOTING = "rebooting"
    REBUILDING = "being rebuilt"
    RESIZING = "being resized"
    SUSPENDING = "being suspended"
    RESUMING = "being resumed"
    SNAPSHOTTING = "being snapshotted"
    ROLLING_BACK = "being rolled back"
    PLUGGING = "being given a disk, or giving one back"
    DELETING = "deleting"


#: Changes after which a server that is wanted to run does.
BRINGS_UP = frozenset(
    {Change.MAKING, Change.STARTING, Change.REBUILDING, Change.RESIZING, Change.RESUMING, Change.ROLLING_BACK}
)
#: Changes that end the machine on their own, and say themselves what comes of it.
TAKES_DOWN = frozenset({Change.REBUILDING, Change.RESIZING, Change.SUSPENDING, Change.ROLLING_BACK})
_CANNOT_GO_ON = (
    "What was open in this desktop when it was suspended cannot be brought back, because this computer's QEMU or the desktop's "
    "machine has changed since. It can be started afresh from its disk; what was open and not saved is lost."
)


@dataclass(slots=True)
class Entry:
    """One server. ``change`` says which of our tasks, ``task``, is at work on it; there is at most one.

    ``state_fits`` says of a suspended server whether its memory can be brought back on this computer as it is now.
    """

    record: ServerRecord
    folder: Path
    secrets: ServerSecrets
    machine: Machine | None = None
    change: Change | None = None
    task: asyncio.Task[None] | None = None
    state_fits: bool = True
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def running(self) -> Machine | None:
        """The machine, if it lives."""
        return self.machine if self.machine is not None and self.machine.is_alive else None

    @property
    def status(self) -> ServerStatus:
        """In the words of the cloud interface."""
        if self.record.phase in (Phase.MAKING, Phase.REBUILDING) or self.change in (Change.REBUILDING, Change.RESIZING):
            return ServerStatus.BUILDING
        if self.record.phase is Phase.FAILED:
            return ServerStatus.ERROR
        if self.change in (Change.STOPPING, Change.SUSPENDING):
            return ServerStatus.RUNNING
        if self.change is Change.ROLLING_BACK:
            return ServerStatus.RUNNING if self.record.wanted is Wanted.RUNNING else ServerStatus.STOPPED
        if self.record.saved is not None:
            return ServerStatus.SUSPENDED if self.state_fits else ServerStatus.STOPPED
        return ServerStatus.RUNNING if self.running else ServerStatus.STOPPED

    @property
    def fault(self) -> str | None:
        """What a person should know, if anything."""
        if self.running and self.running.stopped_by_full_disk:
            return "This computer's disk is full; the desktop is held until there is room."
        return _CANNOT_GO_ON if self._has_lost_memory else self.record.fault

    @property
    def fault_code(self) -> FaultCode | None:
        """What is lost of it, if anything."""
        return FaultCode.MEMORY_LOST if self._has_lost_memory else self.record.fault_code

    @property
    def _has_lost_memory(self) -> bool:
        return self.record.saved is not None and not self.state_fits and not self.comes_up

    @property
    def promised_mib(self) -> int:
        """Memory that the machine may still take: all of it until its desktop is ready, what it needs being in use then."""
        if self.running is None:
            return self.record.memory_mib if self.comes_up else 0
        return 0 if self.running.readiness.is_ready else self.record.memory_mib // 2

    @property
    def comes_up(self) -> bool:
        """Whether it does not run yet and is going to."""
        return self.change in BRINGS_UP and self.record.wanted is Wanted.RUNNING

    @property
    def identity(self) -> Identity:
        """Who the guest is to become, by the record as it is when it is told."""
        return Identity(self.secrets, lambda: self.record.hostname, lambda: self.record.language)

    async def save(self, **changes: object) -> None:
        """Change the record, in memory and on disk."""
        self.record = self.record.but(**changes)
        async with self.writing:
            # A thread goes on when its task is cancelled, so the lock must not be let go before it is done.
            await finish(asyncio.to_thread(save_record, self.folder, self.record))

    def described(self) -> Server:
        """As the cloud interface shows it."""
        of = self.record
        return Server(
            id=of.id,
            desktop_id=of.desktop_id,
            name=of.name,
            status=self.status,
            image_id=of.image_id,
            flavor_id=of.flavor_id,
            host=HOST_ID,
            created_at=of.created_at,
            observed_at=datetime.now(UTC),
            fault=self.fault,
            fault_code=self.fault_code,
            language=of.language,
        )
