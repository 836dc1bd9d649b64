"""How a process learns that it shall stop: a signal, or the end of the process that started it."""

import asyncio
import os
import signal
from collections.abc import Coroutine, Iterable
from typing import Any, Final

_READ_BYTES: Final = 4096


class Stopping:
    """The wish that this process stops. A second signal says that it shall not wait for anybody."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._hurried = asyncio.Event()

    def watch_signals(self, signals: Iterable[signal.Signals]) -> None:
        loop = asyncio.get_running_loop()
        for number in signals:
            loop.add_signal_handler(number, self._on_signal)

    def watch_end_of(self, descriptor: int) -> None:
        """Stops at the end of file on ``descriptor``, a pipe whose other end the starting process holds while it lives."""

        def read() -> None:
            if not os.read(descriptor, _READ_BYTES):
                loop.remove_reader(descriptor)
                self.ask()

        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, read)

    def ask(self) -> None:
        self._asked.set()

    def _on_signal(self) -> None:
        if self._asked.is_set():
            self._hurried.set()
        self._asked.set()

    async def asked(self) -> None:
        """Returns when the process shall stop."""
        await self._asked.wait()

    @property
    def is_asked(self) -> bool:
        return self._asked.is_set()

    async def patiently(self, done: Coroutine[Any, Any, object], seconds: float) -> None:
        """Waits for ``done``, at most ``seconds``, and no longer than patience lasts."""
        waits = {asyncio.ensure_future(done), asyncio.ensure_future(self._hurried.wait())}
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
