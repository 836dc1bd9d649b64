"""The host process: one for each state folder, an HTTP server on a unix socket that only its own user can open."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import uvicorn

from yunzhuo.host import sockets
from yunzhuo.host.api import make_app
from yunzhuo.host.host import DesktopHost
from yunzhuo.phoenix.cloud.errors import CloudUnavailable
from yunzhuo.phoenix.cloud.local import wire
from yunzhuo.phoenix.common import lifeline, lock
from yunzhuo.phoenix.common.errors import YunzhuoError
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.settings import Settings

_DRAIN_SECONDS = 5
_STARTING_SECONDS = 20.0
_PULL_PLUG_SECONDS = 15.0

logger = get_logger()


def run(settings: Settings, supervised: bool) -> int:
    """Be the host process until a signal (or, ``supervised``, the supervisor's end) says stop; the answer is the exit code.

    Machines outlive it. A second one on the same state folder, or a missing QEMU user, is one clear line and exit code 1.
    """
    _make_run_folder(settings)
    try:
        with lock.hold(_lock_file(settings)):
            asyncio.run(_serve(settings, supervised=supervised))
    except YunzhuoError as error:
        logger.error("host_cannot_run", code=error.code, why=error.message)
        return 1
    except OSError as error:
        logger.error("host_cannot_run", why=str(error))
        return 1
    return 0


def stop_all(settings: Settings) -> int:
    """End all machines of this state folder, gently where their guests let us; the answer is how many ran.

    Works with a running host process (which then does it) and without one. Raises CloudUnavailable when a host process
    holds the folder and does not answer, QemuUserMissing.
    """
    _make_run_folder(settings)
    give_up_at = time.monotonic() + _STARTING_SECONDS
    while True:
        try:
            with lock.hold(_lock_file(settings)):
                return asyncio.run(_stop_all_alone(settings))
        except lock.LockHeld as held:
            try:
                return _ask_to_stop_all(settings)
            except httpx.TransportError as error:
                if time.monotonic() > give_up_at:
                    raise CloudUnavailable(f"The host process ({held.holder_pid}) does not answer: {error}") from error
            # It is just starting or just ending, and says neither.
            time.sleep(0.2)


async def _serve(settings: Settings, *, supervised: bool) -> None:
    loop = asyncio.get_running_loop()
    host = DesktopHost(settings)
    await host.start()
    try:
        with ExitStack() as held:
            listener = held.enter_context(sockets.listen(settings.host_socket, backlog=128))
            server = _Server(
                uvicorn.Config(
                    make_app(host),
                    log_config=None,
                    access_log=False,
                    lifespan="off",
                    timeout_graceful_shutdown=_DRAIN_SECONDS,
                )
            )

            def end(why: lifeline.End) -> None:
                logger.info("host_stopping", why=why.value)
                loop.call_soon_threadsafe(setattr, server, "should_exit", True)

            lifeline.watch(end, supervised=supervised)
            await server.serve(sockets=[listener])
    finally:
        settings.host_socket.unlink(missing_ok=True)
        await host.close()


async def _stop_all_alone(settings: Settings) -> int:
    host = DesktopHost(settings)
    await host.start(with_goldens=False)
    try:
        return await host.stop_all()
    finally:
        await host.close()


def _ask_to_stop_all(settings: Settings) -> int:
    patience = settings.host.shutdown_seconds + _PULL_PLUG_SECONDS
    with sockets.short_path(settings.host_socket) as name, httpx.Client(transport=httpx.HTTPTransport(uds=name)) as client:
        answer = client.post("http://host/stop-all", timeout=patience)
    if answer.status_code != httpx.codes.OK:
        raise CloudUnavailable(f"The host process could not stop all machines (it answered {answer.status_code}).")
    return wire.StoppedAll.model_validate_json(answer.content).count


def _make_run_folder(settings: Settings) -> None:
    settings.host_socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)


def _lock_file(settings: Settings) -> Path:
    return settings.host_socket.with_name("host.lock")


class _Server(uvicorn.Server):
    """uvicorn, but signals are ours (see lifeline)."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
