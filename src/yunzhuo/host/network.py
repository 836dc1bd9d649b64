"""The guests' network: one namespace of its own for all QEMUs, so that no guest can reach this computer's loopback services.

QEMU's user-mode network opens ordinary sockets on a guest's behalf; run where we run, ``10.0.2.2`` in a guest would be our
own 127.0.0.1. So a holder process keeps a network namespace, every QEMU is started inside it, and slirp4netns connects it
to the outside, with our loopback left out. Holder and slirp4netns outlive us and are found again.
"""

import asyncio
import os
import shutil
import subprocess  # nosec B404 # lists of arguments, never a shell
from collections.abc import Sequence
from pathlib import Path

from yunzhuo.host.argv import NAME_PREFIX, GuestNetwork
from yunzhuo.host.launch import NetworkEntrance, last_words, start_process
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.processes import ProcessGone, ProcessIdentity, WatchedProcess, running, working_below
from yunzhuo.phoenix.common.logging import get_logger

_HOLDER = ("sleep", "infinity")
_HOLDER_LOG, _SLIRP_LOG = "holder.log", "slirp4netns.log"
_SLIRP = "slirp4netns"
# Beside QEMU's own 10.0.2.0/24; slirp4netns answers DNS at .3 of its network (argv.GUEST_DNS).
_SLIRP_NETWORK = "10.0.3.0/24"
_SLIRP_DEVICE = "tap0"
_SLIRP_CHATTER = ("WARNING", "sent tapfd", "received tapfd", "Starting slirp", "*")
_NOWHERE_SPECIAL = "00000000"
_RESTART_SECONDS = 5.0
_ENTER_SECONDS = 2.0
_ENTER_POLL_SECONDS = 0.005

logger = get_logger()


class Network:
    """The namespace and what keeps it. ``folder`` is the working directory of its processes, ``machines`` of the QEMUs."""

    def __init__(self, folder: Path, machines: Path, *, wants_internet: bool) -> None:
        self._folder = folder
        self._machines = machines
        self._wants_internet = wants_internet
        self._holder: WatchedProcess | None = None
        self._slirp: WatchedProcess | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._namespaces: dict[str, int] = {}
        self._trouble: str | None = None

    @property
    def kind(self) -> GuestNetwork:
        """What a guest started now is connected to."""
        return GuestNetwork.NAMESPACE if self._namespaces else GuestNetwork.NOTHING

    @property
    def reaches_internet(self) -> bool:
        """Whether guests' packets leave this computer, and this computer has a way out itself."""
        return self._slirp is not None and not self._slirp.has_ended and has_default_route()

    @property
    def problem(self) -> str | None:
        """What a person should know, if anything."""
        is_well = self._slirp is not None and not self._slirp.has_ended
        return None if is_well else self._trouble

    @property
    def entrance(self) -> NetworkEntrance:
        """How a QEMU gets in."""
        if not self._namespaces:
            return NetworkEntrance()
        options = [f"--{kind}=/proc/self/fd/{descriptor}" for kind, descriptor in self._namespaces.items()]
        keep_user = ["--preserve-credentials"] if "user" in self._namespaces else []
        return NetworkEntrance(("nsenter", *keep_user, *options, "--"), tuple(self._namespaces.values()))

    async def start(self) -> None:
        """Find the namespace of an earlier host process, or make one, and keep it connected."""
        try:
            self._holder = self._adopt_holder() or await self._make_holder()
            self._open_namespaces(self._holder.identity)
            await self._try_entrance()
        except (MachineFailed, OSError) as error:
            self._close_namespaces()
            self._trouble = "Desktops have no network: this computer does not let us make a network namespace."
            logger.warning("network_namespace_impossible", why=str(error))
            return
        if self._wants_internet and shutil.which(_SLIRP) is None:
            self._trouble = "Desktops have no internet: slirp4netns is not installed."
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Let go; guests stay connected."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for process in (self._holder, self._slirp):
            if process is not None:
                process.let_go()
        self._close_namespaces()

    async def tear_down(self) -> None:
        """End the network's processes; for when no machine is left."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for process in (self._slirp, self._holder):
            if process is not None:
                await process.kill()
        self._close_namespaces()

    def _adopt_holder(self) -> WatchedProcess | None:
        for found in working_below(self._folder):
            if found.argv == _HOLDER and not _shares_our_network(found.identity):
                try:
                    return WatchedProcess(found.identity)
                except ProcessGone:
                    continue
        return None

    async def _make_holder(self) -> WatchedProcess:
        """A process that does nothing but be in the namespace: that of living machines where there are some, else a new one."""
        for found in working_below(self._machines):
            if any(argument.startswith(NAME_PREFIX) for argument in found.argv) and not _shares_our_network(found.identity):
                self._open_namespaces(found.identity)
                return await self._start_holder(self.entrance.prefix, self.entrance.descriptors)
        as_root = os.geteuid() == 0
        return await self._start_holder(("unshare", *(() if as_root else ("--user", "--map-current-user")), "--net", "--"), ())

    async def _start_holder(self, prefix: Sequence[str], descriptors: Sequence[int]) -> WatchedProcess:
        # slirp4netns ends when nobody has this pipe open for writing any more; the holder, alone, does.
        read_end, write_end = os.pipe()
        try:
            holder = start_process([*prefix, *_HOLDER], self._folder, descriptors, stdin=write_end, log_name=_HOLDER_LOG)
        finally:
            os.close(read_end)
            os.close(write_end)
        try:
            async with asyncio.timeout(_ENTER_SECONDS):
                while not holder.has_ended and not self._has_settled(holder.identity):  # noqa: ASYNC110 - nothing tells of an exec
                    await asyncio.sleep(_ENTER_POLL_SECONDS)
        except TimeoutError:
            await holder.kill()
        if holder.has_ended:
            raise MachineFailed(f"no network namespace: {last_words(self._folder, _HOLDER_LOG)}")
        return holder

    def _has_settled(self, identity: ProcessIdentity) -> bool:
        """Whether the holder's chain of starters has come to its end."""
        holders = [found for found in working_below(self._folder) if found.identity == identity]
        return bool(holders) and holders[0].argv == _HOLDER and not _shares_our_network(identity)

    def _open_namespaces(self, identity: ProcessIdentity) -> None:
        """Hold the namespaces open ourselves, so that they outlast the holder's accidental end."""
        self._close_namespaces()
        for kind in ("net",) if os.geteuid() == 0 else ("user", "net"):
            self._namespaces[kind] = os.open(f"/proc/{identity.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)

    def _close_namespaces(self) -> None:
        for descriptor in self._namespaces.values():
            os.close(descriptor)
        self._namespaces = {}

    async def _try_entrance(self) -> None:
        entrance = self.entrance
        process = await asyncio.create_subprocess_exec(
            *entrance.prefix, "true", pass_fds=entrance.descriptors, stderr=subprocess.PIPE
        )
        _, said = await process.communicate()
        if process.returncode != 0:
            raise MachineFailed(said.decode(errors="replace").strip())

    async def _keep(self) -> None:
        """Put back whichever of the two processes ends."""
        while True:
            try:
                await self._keep_until_one_ends()
            except (MachineFailed, OSError) as error:
                self._trouble = f"Desktops have no internet: {error}"
                logger.warning("network_not_kept", why=str(error))
            await asyncio.sleep(_RESTART_SECONDS)

    async def _keep_until_one_ends(self) -> None:
        holder = self._holder
        if holder is None or holder.has_ended:
            logger.warning("network_holder_ended")
            holder = self._holder = await self._start_holder(self.entrance.prefix, self.entrance.descriptors)
        self._connect(holder)
        waits = [asyncio.create_task(process.wait()) for process in (holder, self._slirp) if process is not None]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._slirp is not None and self._slirp.has_ended:
            log = (self._folder / _SLIRP_LOG).read_text(encoding="utf-8", errors="replace")
            self._trouble = f"Desktops have no internet: {slirp_complaint(log)}"

    def _connect(self, holder: WatchedProcess) -> None:
        """Have a living slirp4netns for the holder's namespace, where one is wanted and can be."""
        if self._slirp is not None and not self._slirp.has_ended:
            return
        if not self._wants_internet or shutil.which(_SLIRP) is None:
            self._slirp = None
            return
        self._slirp = self._adopt_slirp(holder)
        if self._slirp is not None:
            return
        exit_fd = os.open(f"/proc/{holder.identity.pid}/fd/0", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._slirp = start_process(
                _slirp_command(holder.identity.pid, exit_fd), self._folder, [exit_fd], log_name=_SLIRP_LOG
            )
        finally:
            os.close(exit_fd)

    def _adopt_slirp(self, holder: WatchedProcess) -> WatchedProcess | None:
        for found in running(_SLIRP):
            if found.argv[-2:] == (str(holder.identity.pid), _SLIRP_DEVICE):
                try:
                    return WatchedProcess(found.identity)
                except ProcessGone:
                    continue
        return None


def _slirp_command(holder_pid: int, exit_fd: int) -> list[str]:
    # The sandbox gives up root's rights; it cannot be made without them, nor is it needed then.
    sandbox = ["--enable-sandbox"] if os.geteuid() == 0 else []
    return [
        *(_SLIRP, "--configure", "--mtu=65520", "--disable-host-loopback", f"--cidr={_SLIRP_NETWORK}"),
        *(*sandbox, "--enable-seccomp", f"--exit-fd={exit_fd}"),
        *(str(holder_pid), _SLIRP_DEVICE),
    ]


def slirp_complaint(log: str) -> str:
    """What slirp4netns said went wrong: its first line that neither warns nor reports."""
    lines = [line.strip() for line in log.splitlines()]
    complaints = [line for line in lines if line and not line.startswith(_SLIRP_CHATTER)]
    return complaints[0] if complaints else "slirp4netns ended without a word."


def _shares_our_network(identity: ProcessIdentity) -> bool:
    try:
        return Path(f"/proc/{identity.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
    except OSError:
        return True


def has_default_route(table: str | None = None) -> bool:
    """Whether this computer has a way out (IPv4), by its routing table (proc_net(5), /proc/net/route)."""
    if table is None:
        table = Path("/proc/net/route").read_text(encoding="ascii")
    header, *rows = (line.split() for line in table.splitlines() if line.strip())
    routes = [dict(zip(header, row, strict=False)) for row in rows]
    return any(route.get("Destination") == route.get("Mask") == _NOWHERE_SPECIAL for route in routes)
