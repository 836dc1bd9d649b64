"""Whether a person could work in a machine now: its desktop is on the screen, and its identity is its own.

Both are made again after every boot of the guest. The guest says so over a port of the machine; where a word got lost (we
were not there to hear it) it is asked through the agent.
"""

import asyncio
import time
from socket import socket

from yunzhuo.host.guest_agent import AgentRefused, AgentSilent, GuestAgent
from yunzhuo.host.server_secrets import Identity
from yunzhuo.host.waiting import happens_within
from yunzhuo.phoenix.common.logging import get_logger

_IDENTIFY = ("/etc/desktop/identify",)
_DESKTOP_IS_UP = ("/bin/sh", "-c", "test -e /run/desktop/ready")
_IDENTIFY_PATIENCE_SECONDS = 30.0
_ASK_AGAIN_SECONDS = 1.0
_AWAITED_SECONDS = 5.0
# What a guest adds to "identified" when its desktop is not on the screen, or is no more.
_STARTING = "starting"

logger = get_logger()


class Readiness:
    """Follows one running machine. ``port`` is where its guest says what it has come to; ``identity_port`` see ``begin``."""

    def __init__(
        self, server_id: str, agent: GuestAgent, port: socket, identity: Identity, *, identity_port: socket | None = None
    ) -> None:
        self._server_id = server_id
        self._agent = agent
        self._ports = [port, *([identity_port] if identity_port else [])]
        self._identity = identity
        self._desktop_up = asyncio.Event()
        self._identified = asyncio.Event()
        self._listeners: list[asyncio.Task[None]] = []
        self._work: asyncio.Task[None] | None = None
        self._began_at = time.monotonic()
        self._is_silent = False
        self._begins_session = False

    @property
    def is_ready(self) -> bool:
        return self._desktop_up.is_set() and self._identified.is_set()

    @property
    def age_seconds(self) -> float:
        """How long the present boot (or clone) has been followed."""
        return time.monotonic() - self._began_at

    def begin(
        self,
        *,
        begins_session: bool,
        desktop_is_up: bool = False,
        is_awaited: bool = False,
        is_silent: bool = False,
    ) -> None:
        """Follow the machine from now on.

        ``begins_session`` for one that nobody has worked in since it was booted or cloned: only then its session may be begun
        again in another language. ``desktop_is_up`` for one that was cloned from a ready golden. ``is_awaited`` when a program
        in that golden waits at the identity port: then the clone need not start one to become itself. ``is_silent`` for an
        image that promises no word about its desktop: its machine is as ready as it will ever say when it runs.
        """
        self._begins_session = begins_session
        self._listeners = [asyncio.create_task(self._listen(self._ports[0]))]
        if is_awaited:
            self._listeners.append(asyncio.create_task(self._listen(self._ports[1], first_word=self._identity.for_port())))
        if desktop_is_up:
            self._desktop_up.set()
        if is_silent:
            self._is_silent = True
            self._desktop_up.set()
            self._identified.set()
            return
        self._start_work(head_start_seconds=_AWAITED_SECONDS if is_awaited else 0)

    def begin_again(self, *, desktop_is_up: bool = False) -> None:
        """The guest restarts, or was put back in time: nothing that was is true any more."""
        if self._is_silent:
            return
        self._desktop_up.clear()
        self._identified.clear()
        self._begins_session = not desktop_is_up
        if desktop_is_up:
            self._desktop_up.set()
        self._start_work()

    async def is_awaited(self, *, times: int, seconds: float) -> bool:
        """Whether a program in this guest waits at the identity port; asked of a golden, before it is frozen.

        It is told ``times`` times who it is, so that what a clone will do first has been done here.
        """
        self._identified.clear()
        first_word = self._identity.for_port() * times
        self._listeners.append(asyncio.create_task(self._listen(self._ports[1], first_word=first_word)))
        return await happens_within(self._identified, seconds)

    async def wait_until_ready(self) -> None:
        """Return when the machine is ready; may take for ever."""
        while not self.is_ready:
            await self._desktop_up.wait()
            await self._identified.wait()

    async def close(self) -> None:
        """Stop following."""
        tasks = [*self._listeners, *([self._work] if self._work else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for port in self._ports[len(self._listeners) :]:
            port.close()

    def _start_work(self, *, head_start_seconds: float = 0) -> None:
        self._began_at = time.monotonic()
        if self._work is not None:
            self._work.cancel()
        self._work = asyncio.create_task(self._become_ready(head_start_seconds))

    async def _listen(self, port: socket, *, first_word: bytes = b"") -> None:
        reader, writer = await asyncio.open_unix_connection(sock=port)
        try:
            writer.write(first_word)
            while line := await reader.readline():
                self._hear(line.decode(errors="replace").strip())
        except (OSError, ValueError):
            logger.warning("guest_port_lost", server_id=self._server_id)
        finally:
            writer.close()

    def _hear(self, line: str) -> None:
        match line.split():
            case ["ready"]:
                self._desktop_up.set()
            case ["identified", machine_id, *more] if machine_id == self._identity.machine_id:
                if _STARTING in more:
                    self._desktop_up.clear()
                self._note_identified()

    def _note_identified(self) -> None:
        if not self._identified.is_set():
            self._identified.set()
            logger.info("server_identified", server_id=self._server_id, seconds=round(self.age_seconds, 3))

    async def _become_ready(self, head_start_seconds: float) -> None:
        if head_start_seconds and not await happens_within(self._identified, head_start_seconds):
            logger.warning("server_not_awaited", server_id=self._server_id)
        while not self._identified.is_set():
            try:
                await self._identify()
            except (AgentSilent, AgentRefused):
                await happens_within(self._identified, _ASK_AGAIN_SECONDS)
        while not await happens_within(self._desktop_up, 3 * _ASK_AGAIN_SECONDS):
            try:
                if (await self._agent.run(_DESKTOP_IS_UP)).exit_code == 0:
                    self._desktop_up.set()
            except (AgentSilent, AgentRefused, TimeoutError):
                continue

    async def _identify(self) -> None:
        """One attempt; the word on the port usually comes before the agent is asked how the program ended."""
        pid = await self._agent.start(_IDENTIFY, stdin=self._identity.for_program(with_language=self._begins_session))
        give_up_at = time.monotonic() + _IDENTIFY_PATIENCE_SECONDS
        while not await happens_within(self._identified, _ASK_AGAIN_SECONDS) and time.monotonic() < give_up_at:
            ended = await self._agent.ended(pid)
            if ended is None:
                continue
            if ended.exit_code == 0:
                self._hear(ended.stdout.decode(errors="replace").strip())
                self._note_identified()
            else:
                said = ended.stderr.decode(errors="replace")[-300:]
                logger.warning("server_identify_failed", server_id=self._server_id, exit_code=ended.exit_code, said=said)
            return
