"""The gateway's process."""

import asyncio
import contextlib
import resource
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import uvloop

from yunzhuo.gateway.certificates import read_key, tls_context
from yunzhuo.gateway.config import GatewayConfig
from yunzhuo.gateway.fleet import GENERATIONS, READ_AGAIN, Fleet
from yunzhuo.gateway.listening import address_of, open_listener, reserve
from yunzhuo.gateway.memory import give_back_large_pieces, leave_alone_what_stays
from yunzhuo.gateway.metrics import CounterTable, Slot
from yunzhuo.gateway.private import PrivateListener, Trouble
from yunzhuo.gateway.worker import Orders, Worker
from yunzhuo.phoenix.common import lifeline
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.common.logging import configure, get_logger

_log = get_logger()

_SPARE_DESCRIPTORS: Final = 200
# Beside the draining: closing handshakes, last reports, and the end of worker processes.
_ENDING_SECONDS: Final = 12.0


@dataclass(frozen=True, slots=True)
class _Ground:
    """What has to be there before anything is served."""

    key: str
    public: socket.socket
    private: socket.socket | None


def run(config: GatewayConfig, supervised: bool, *, read_config: Callable[[], GatewayConfig] | None = None) -> int:
    """Serves until the process is told to end (see :mod:`yunzhuo.phoenix.common.lifeline`). Returns the exit code: 0 after an
    orderly stop, 1 when it could not start; the log then says every reason.

    SIGHUP: a gateway of one process reads its certificate and its key again; one of several puts new processes, with the
    configuration that ``read_config`` gives then, in the place of those that serve, which end with their last connection.
    """
    configure("gateway", level=config.log.level, style=config.log.style)
    try:
        ground = _prepare(config)
    except InvalidInput as error:
        for what, problem in error.fields.items():
            _log.error("gateway_cannot_start", what=what, problem=problem)
        return 1
    _raise_descriptor_limit(config)
    give_back_large_pieces()
    leave_alone_what_stays()
    uvloop.run(_serve(config, ground, supervised, read_config or (lambda: config)))
    return 0


def _prepare(config: GatewayConfig) -> _Ground:
    """Raises InvalidInput with everything that is missing."""
    problems: dict[str, str] = {}
    key = ""
    public = private = None
    try:
        key = read_key(config.key_file)
    except InvalidInput as error:
        problems["key_file"] = error.message
    try:
        tls_context(config)
        ssl.create_default_context(cafile=config.manager_ca_file or None)
    except OSError as error:
        problems["certificates"] = f"cannot be loaded: {error}"
    try:
        listen = open_listener if config.processes == 1 else reserve
        public = listen(config.listen.host, config.listen.port)
    except OSError as error:
        problems["listen"] = _cannot_listen(config.listen.host, config.listen.port, error)
    try:
        if config.private.enabled:
            private = open_listener(config.private.host, config.private.port)
    except OSError as error:
        problems["private"] = _cannot_listen(config.private.host, config.private.port, error)
    if problems or public is None:
        raise InvalidInput("the gateway cannot start", code="gateway_cannot_start", fields=problems)
    return _Ground(key, public, private)


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    return f"cannot listen on {host} port {port}: {error.strerror}; stop what uses it or choose another"


def _raise_descriptor_limit(config: GatewayConfig) -> None:
    """Each session takes two descriptors."""
    wanted = 2 * config.limits.max_connections + _SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    if granted < wanted:
        _log.warning("gateway_descriptors_short", wanted=wanted, granted=granted)


async def _serve(config: GatewayConfig, ground: _Ground, supervised: bool, read_config: Callable[[], GatewayConfig]) -> None:
    loop, orders = asyncio.get_running_loop(), Orders()
    stopping = orders.stop

    def end(_why: lifeline.End) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended already, and everything with it
            loop.call_soon_threadsafe(stopping.set)

    lifeline.watch(end, supervised=supervised, grace_seconds=config.drain_seconds + _ENDING_SECONDS)
    if config.processes == 1:
        counters = CounterTable(1)
        serving = Worker(config, ground.key, counters.row(0)).serve(ground.public, orders)
        loop.add_signal_handler(READ_AGAIN, orders.read_again.set)
    else:
        counters = CounterTable(config.processes * GENERATIONS)
        fleet = Fleet(config, ground.key, counters, read_config)
        serving = fleet.serve(stopping)
        loop.add_signal_handler(READ_AGAIN, fleet.renew)

    def trouble() -> str | None:
        if stopping.is_set():
            return "stopping"
        return None if counters.total(Slot.LISTENING) == config.processes else "process_missing"

    private = await _start_private(config, ground, counters, trouble)
    _log.info(
        "gateway_listening", name=config.name, address=address_of(ground.public), tls=bool(config.listen.tls_certificate_file)
    )
    await serving
    if private is not None:
        private.close()
    ground.public.close()  # closed already where this process served it
    _log.info("gateway_stopped")


async def _start_private(
    config: GatewayConfig, ground: _Ground, counters: CounterTable, trouble: Trouble
) -> asyncio.Server | None:
    if ground.private is None:
        return None
    _log.info("gateway_private_listening", address=address_of(ground.private))
    return await PrivateListener(config.name, counters, trouble).start(ground.private)
