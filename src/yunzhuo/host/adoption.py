"""Finds again what an earlier host process left: machines go on being served, halves are finished or tidied, strays ended.

Nothing is believed because of a pid. A process counts as a server's machine when it lives, works in the server's folder,
was started as that machine, and says so itself through the monitor in that folder.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from yunzhuo.host.argv import NAME_PREFIX
from yunzhuo.host.entries import Entry
from yunzhuo.host.goldens import Goldens
from yunzhuo.host.layout import GONE_PREFIX, PROBE_NAME, Layout
from yunzhuo.host.machine import Machine
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.power import Power
from yunzhuo.host.processes import FoundProcess, ProcessGone, ProcessIdentity, end_hard, working_below
from yunzhuo.host.registry import Registry
from yunzhuo.host.removal import remove_folder
from yunzhuo.host.server_secrets import load_secrets
from yunzhuo.host.servers import Servers
from yunzhuo.host.store import Phase, RecordUnreadable, Wanted, load_record
from yunzhuo.phoenix.common.logging import get_logger

_ENDED_MEANWHILE = "The machine ended while the host process was away."

logger = get_logger()
Found = Mapping[Path, Sequence[ProcessIdentity]]


def find_machines(root: Path) -> Found:
    """Living QEMUs (and what is about to become one) by the folder they work in."""
    found: dict[Path, list[ProcessIdentity]] = defaultdict(list)
    for process in working_below(root):
        if is_machine(process):
            found[process.folder].append(process.identity)
    return found


def is_machine(process: FoundProcess) -> bool:
    """Whether a process was started as the machine of the folder it works in; an administrator's shell was not."""
    return f"{NAME_PREFIX}{process.folder.name.removeprefix(GONE_PREFIX)}" in process.argv


class Unfinished(Protocol):
    """Changes that a host process writes down before it makes them."""

    async def go_on(self, entry: Entry) -> None:
        """Finish what an earlier host process had accepted; the server's machine, if it runs, is followed already."""
        ...


class Adoption:
    """One pass over the state folder, at the start of a host process. ``problems`` says what a person has to look at."""

    def __init__(
        self,
        layout: Layout,
        registry: Registry,
        servers: Servers,
        power: Power,
        goldens: Goldens,
        unfinished: Sequence[Unfinished],
    ) -> None:
        self._layout = layout
        self._registry = registry
        self._servers = servers
        self._power = power
        self._goldens = goldens
        self._unfinished = unfinished
        self.problems: list[str] = []

    async def run(self) -> None:
        """Adopt, finish, tidy. One broken server does not keep the others from being served."""
        root = self._layout.desktops.resolve()
        machines = dict(find_machines(root))
        folders = [folder for folder in root.iterdir() if folder.is_dir()]
        await asyncio.gather(*(self._take(folder, machines.pop(folder, ())) for folder in folders))
        goldens_root = self._layout.goldens.resolve()
        strays = [
            identity for found in (machines, find_machines(goldens_root)) for group in found.values() for identity in group
        ]
        await self._end_strays(strays)

    async def _take(self, folder: Path, processes: Sequence[ProcessIdentity]) -> None:
        if folder.name.startswith(GONE_PREFIX) or folder.name == PROBE_NAME:
            await self._tidy(folder, processes)
            return
        try:
            record = load_record(folder)
            if record is None:
                await self._tidy(folder, processes)
                return
            entry = Entry(record, self._layout.server(record.id), load_secrets(folder))
        except (RecordUnreadable, OSError, ValidationError) as error:
            logger.error("server_record_unreadable", folder=folder.name, why=str(error))
            self.problems.append(f"The server in {folder} cannot be read; move its folder away to forget it.")
            return
        self._registry.add(entry)
        if record.phase is Phase.MADE:
            await self._adopt(entry, processes)
        else:
            await self._end_strays(processes)
            if record.phase is Phase.MAKING:
                self._servers.finish_making(entry)
        for part in self._unfinished:
            if entry.change is None:
                await part.go_on(entry)

    async def _adopt(self, entry: Entry, processes: Sequence[ProcessIdentity]) -> None:
        if entry.record.saved is not None:
            # What is still there of a machine was not allowed to run on.
            await self._end_strays(processes)
            await entry.save(process=None)
            return
        machine: Machine | None = None
        for identity in sorted(processes, key=lambda one: one != entry.record.process):
            if machine is None:
                machine = await self._try(entry, identity)
            if machine is None or machine.process.identity != identity:
                await self._end_strays([identity])
        if machine is None:
            await self._note_end(entry)
            return
        self._power.follow(entry, machine)
        if entry.record.golden is not None:
            self._goldens.adopt_memory(entry.record.golden, machine.process.identity.pid)
        machine.readiness.begin(begins_session=False, is_silent=entry.record.is_silent)
        if entry.record.process != machine.process.identity:
            await entry.save(process=machine.process.identity)
        if entry.record.rolling_back_to is not None:
            pass  # what it is to come to is not what it was told last
        elif entry.record.wanted is Wanted.STOPPED:
            self._power.begin_stop(entry)
        elif machine.is_held and entry.record.wanted is Wanted.RUNNING:
            await machine.go_on()
        logger.info("server_adopted", server_id=entry.id, pid=machine.process.identity.pid)

    async def _note_end(self, entry: Entry) -> None:
        record = entry.record
        if record.process is None and record.wanted is Wanted.STOPPED:
            return
        fault = record.fault or (None if record.wanted is Wanted.STOPPED else _ENDED_MEANWHILE)
        wanted = Wanted.STOPPED if record.wanted is Wanted.SUSPENDED else record.wanted
        await entry.save(process=None, wanted=wanted, fault=fault)

    async def _try(self, entry: Entry, identity: ProcessIdentity) -> Machine | None:
        try:
            machine = await Machine.adopt(entry.folder, identity, entry.identity)
        except (MachineFailed, ProcessGone) as error:
            logger.warning("server_not_adopted", server_id=entry.id, why=str(error))
            return None
        try:
            await machine.set_screen_passwords(entry.secrets)
        except MachineFailed as error:
            logger.warning("server_not_adopted", server_id=entry.id, why=error.message)
            await machine.kill()
            return None
        return machine

    async def _tidy(self, folder: Path, processes: Sequence[ProcessIdentity]) -> None:
        await self._end_strays(processes)
        await asyncio.to_thread(remove_folder, folder)
        logger.info("server_remains_removed", folder=folder.name)

    async def _end_strays(self, processes: Sequence[ProcessIdentity]) -> None:
        for identity in processes:
            logger.warning("stray_machine_ended", pid=identity.pid)
        await asyncio.gather(*(end_hard(identity) for identity in processes))
