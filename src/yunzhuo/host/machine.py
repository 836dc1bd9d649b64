"""One running QEMU that is ours: started or adopted, watched, asked, ended."""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from yunzhuo.host import sockets
from yunzhuo.host.argv import NAME_PREFIX
from yunzhuo.host.guest_agent import AgentRefused, AgentSilent, GuestAgent
from yunzhuo.host.launch import AGENT_SOCKET, MONITOR_SOCKET, READY_SOCKET, Launched, last_words
from yunzhuo.host.monitor import MachineFailed, Monitor
from yunzhuo.host.processes import ProcessIdentity, WatchedProcess
from yunzhuo.host.readiness import Readiness
from yunzhuo.host.server_secrets import Identity, ServerSecrets
from yunzhuo.host.waiting import unless
from yunzhuo.phoenix.common.logging import get_logger

_QUIT_SECONDS = 3.0
_ADOPT_SECONDS = 45.0
_RESTORE_SECONDS = 60.0
_SAVE_SECONDS = 120.0
_DYING_SECONDS = 1.0
_POLL_SECONDS = 0.05
_MIGRATES = frozenset({"setup", "active", "pre-switchover", "device", "cancelling"})
#: QEMU's words for a guest that stands still because somebody said so, and goes on when told to.
_HELD = frozenset({"paused", "prelaunch", "postmigrate", "finish-migrate", "save-vm", "restore-vm"})
_MIGRATION_CAPABILITIES = ("x-ignore-shared", "events")

logger = get_logger()


class StateRefused(MachineFailed):
    """QEMU looked at a saved state and cannot go on from it."""


class Machine:
    """A living QEMU and the ways to speak with it."""

    def __init__(
        self, folder: Path, process: WatchedProcess, monitor: Monitor, agent: GuestAgent, readiness: Readiness
    ) -> None:
        self.folder = folder
        self.process = process
        self.monitor = monitor
        self.agent = agent
        self.readiness = readiness
        self.guest_shut_down = False
        self.stopped_by_full_disk = False
        self.is_held = False
        #: Ids of the volumes that are plugged in, or on their way.
        self.volumes: set[str] = set()
        self.was_reset = asyncio.Event()
        monitor.watch({"RESET": self._on_reset, "SHUTDOWN": self._on_shutdown, "BLOCK_IO_ERROR": self._on_io_error})

    @classmethod
    async def after_launch(cls, folder: Path, launched: Launched, identity: Identity, *, is_clone: bool) -> "Machine":
        """Speak with a QEMU just started. Raises MachineFailed with QEMU's own last line; then nothing of it is left."""
        try:
            monitor = await unless(launched.process.wait(), Monitor.connect(launched.monitor, folder.name))
            if monitor is None:
                raise MachineFailed("It ended.")
        except BaseException as error:
            await launched.process.kill()
            launched.close()
            if isinstance(error, MachineFailed):
                raise MachineFailed(f"QEMU did not start: {last_words(folder)}") from error
            raise
        agent = GuestAgent(folder / AGENT_SOCKET, connection=launched.agent, is_in_step=is_clone)
        readiness = Readiness(folder.name, agent, launched.ready, identity, identity_port=launched.identity)
        return cls(folder, launched.process, monitor, agent, readiness)

    @classmethod
    async def adopt(cls, folder: Path, process_identity: ProcessIdentity, identity: Identity) -> "Machine":
        """Take over a QEMU that an earlier host process started. Raises MachineFailed, ProcessGone when it is not ours."""
        process = WatchedProcess(process_identity)
        try:
            # A machine may hang for a while with the disk that it writes to; it is ended as a stray only after that.
            monitor = await Monitor.connect(
                sockets.connect(folder / MONITOR_SOCKET), folder.name, timeout_seconds=_ADOPT_SECONDS
            )
            try:
                name = (await monitor.execute("query-name")).get("name")
                if name != f"{NAME_PREFIX}{folder.name}":
                    raise MachineFailed(f"The QEMU in {folder} says that it is {name!r}.")
                run_state = (await monitor.execute("query-status")).get("status")
                port = sockets.connect(folder / READY_SOCKET)
            except BaseException:
                await monitor.close()
                raise
        except OSError as error:
            process.let_go()
            raise MachineFailed(f"The QEMU in {folder} does not answer: {error}") from error
        except BaseException:
            process.let_go()
            raise
        agent = GuestAgent(folder / AGENT_SOCKET)
        machine = cls(folder, process, monitor, agent, Readiness(folder.name, agent, port, identity))
        machine.stopped_by_full_disk = run_state == "io-error"
        machine.is_held = run_state in _HELD
        return machine

    @property
    def is_alive(self) -> bool:
        return not self.process.has_ended

    async def set_screen_passwords(self, secrets: ServerSecrets) -> None:
        """Open both screens to whoever knows their passwords."""
        for protocol, password in (("vnc", secrets.vnc_password), ("spice", secrets.spice_password)):
            await self.monitor.execute("set_password", {"protocol": protocol, "password": password})

    async def restore(self, state_fd: int) -> None:
        """Take the state of a golden from an inherited descriptor; the machine runs when this returns."""
        await self.load_state(state_fd)
        await self.go_on()

    async def load_state(self, state_fd: int) -> None:
        """Take a saved state from an inherited descriptor; the guest stands still. Raises StateRefused, MachineFailed."""
        await self.allow_shared_memory()
        migration = self.monitor.migrate("migrate-incoming", f"fd:{state_fd}", timeout_seconds=_RESTORE_SECONDS)
        try:
            await unless(self.process.wait(), migration)
        except MachineFailed:
            # A QEMU that refuses a state ends itself; the monitor may fall silent before that can be seen.
            if not await self._ends_within(_DYING_SECONDS):
                raise
        if not self.is_alive:
            why = MachineFailed if self._was_killed else StateRefused
            raise why(f"QEMU could not take the saved state: {last_words(self.folder)}")

    async def save_state(self, descriptor: int) -> None:
        """Stop the guest and write its state, and memory that is its alone, to ``descriptor``. Raises MachineFailed.

        The guest then stands still for good. After a failure it can go on.
        """
        await self._settle_migration()
        await self.monitor.execute("stop")
        await self.allow_shared_memory()
        await self.monitor.execute("migrate-set-parameters", {"max-bandwidth": 1 << 40})
        await self.monitor.hand_over(descriptor, "state")
        await self.monitor.migrate("migrate", "fd:state", timeout_seconds=_SAVE_SECONDS)

    async def go_on(self) -> None:
        """Let a guest that stands still run."""
        await self.monitor.execute("cont")
        self.is_held = False

    async def allow_shared_memory(self) -> None:
        """Leave memory that lives in a file out of migrations, and have their progress told."""
        wanted = [{"capability": name, "state": True} for name in _MIGRATION_CAPABILITIES]
        await self.monitor.execute("migrate-set-capabilities", {"capabilities": wanted})

    async def serial_tail(self, size_bytes: int = 600) -> str:
        """The end of what the guest's kernel said on its serial port; empty when it said nothing."""
        try:
            return str(await self.monitor.execute("ringbuf-read", {"device": "serial", "size": 65536}))[-size_bytes:].strip()
        except MachineFailed:
            return ""

    async def ask_to_shut_down(self) -> None:
        """Tell the guest to switch itself off: through its agent, else by the power button."""
        await self._through_agent_or("powerdown", "system_powerdown")

    async def ask_to_reboot(self) -> None:
        """Tell the guest to restart itself; without an agent there is no gentle way, and it is reset."""
        await self._through_agent_or("reboot", "system_reset")

    async def reset(self) -> None:
        """Restart the guest hard."""
        await self.monitor.execute("system_reset")

    async def reset_or_end(self) -> None:
        """Return when the guest's machine was reset (clear ``was_reset`` before asking for it), or is gone."""
        await unless(self.process.wait(), self.was_reset.wait())

    async def end(self) -> None:
        """Pull the plug; returns when the process is gone."""
        if self.is_alive:
            # QEMU's own quit flushes what the guest has written; killing it would lose that.
            self.process.send(signal.SIGTERM)
            try:
                async with asyncio.timeout(_QUIT_SECONDS):
                    await self.process.wait()
            except TimeoutError:
                await self.process.kill()
        await self.close()

    async def kill(self) -> None:
        """End it this instant, with whatever the guest had not written yet."""
        await self.process.kill()
        await self.close()

    async def close(self) -> None:
        """Hang up; a living machine goes on."""
        await self.readiness.close()
        self.agent.close()
        await self.monitor.close()
        self.process.let_go()

    async def _through_agent_or(self, mode: str, monitor_command: str) -> None:
        try:
            # guest-shutdown answers only when it fails (QEMU's qga/qapi-schema.json: success-response false).
            await self.agent.execute("guest-ping", timeout_seconds=2)
            await self.agent.execute("guest-shutdown", {"mode": mode}, timeout_seconds=0.5)
        except AgentRefused:
            pass
        except AgentSilent as silent:
            if str(silent) == "guest-shutdown":
                return
        if self.is_alive:
            await self.monitor.execute(monitor_command)

    @property
    def _was_killed(self) -> bool:
        return self.process.exit_code is not None and self.process.exit_code < 0

    async def _ends_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.process.wait()
        return not self.is_alive

    async def _settle_migration(self) -> None:
        """Give up a migration that an earlier host process died over; a state can only be saved of what may run."""
        await self.monitor.execute("migrate_cancel")
        while (await self.monitor.execute("query-migrate")).get("status") in _MIGRATES:  # noqa: ASYNC110 - it must be asked
            await asyncio.sleep(_POLL_SECONDS)
        if (await self.monitor.execute("query-status")).get("status") == "postmigrate":
            await self.go_on()

    def _on_reset(self, _data: Mapping[str, Any]) -> None:
        self.was_reset.set()
        self.readiness.begin_again()

    def _on_shutdown(self, data: Mapping[str, Any]) -> None:
        self.guest_shut_down = self.guest_shut_down or bool(data.get("guest"))

    def _on_io_error(self, data: Mapping[str, Any]) -> None:
        # QEMU stops the guest when the disk is full (its default for writes); it can go on once there is room.
        if data.get("nospace"):
            self.stopped_by_full_disk = True
            logger.error("server_disk_full", server_id=self.folder.name)
