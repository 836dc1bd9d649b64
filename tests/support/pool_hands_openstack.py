"""What people do in desktops of the test OpenStack: all of it is typed into the screen.

What comes of it the guest says on its serial port (infras/openstack/guest: ``look``, ``mark``, ``keep``), which is read where
QEMU writes it.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from infras.openstack.layout import Layout
from playwright.async_api import Page
from tests.support.pool_people import Crowd, Found, type_line

_AGAIN_SECONDS = 12.0


class Cut(Exception):
    """The machine that one worked with was killed."""


class TypingHands:
    """See :class:`tests.support.pool_people.Hands`. ``server_of`` says which server a desktop has."""

    # White letters of a text console on black.
    picture = """() => {
        const canvas = document.querySelector('canvas')
        if (document.body.dataset.console !== 'connected' || !canvas || !canvas.width) return false
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
        let light = 0
        for (let i = 0; i < pixels.length; i += 4) if (pixels[i] > 128 && pixels[i + 1] > 128) light += 1
        return light > 200
    }"""

    def __init__(self, layout: Layout, server_of: Callable[[str], str]) -> None:
        self._instances = layout.data / "nova" / "instances"
        self._server_of = server_of

    async def look(self, crowd: Crowd, page: Page, desktop_id: str) -> Found:
        word = secrets.token_hex(4)
        said = await self._typed(crowd, page, desktop_id, f"look {word}", f"LOOK {word} end ")
        lines = [line.partition(f"LOOK {word} ")[2].split() for line in said if f"LOOK {word} " in line]
        marks = [words[1] for words in lines if words[0] == "mark"]
        if ["end", "here"] not in lines:
            return Found(marks, None)
        return Found(marks, {words[1]: words[2] for words in lines if words[0] == "note"})

    async def leave_marks(self, crowd: Crowd, page: Page, desktop_id: str, mark: str) -> None:
        await self._typed(crowd, page, desktop_id, f"mark {mark} {mark}", f"MARKED {mark}")

    async def keep(self, crowd: Crowd, page: Page, desktop_id: str, name: str, text: str) -> None:
        await self._typed(crowd, page, desktop_id, f"keep {name} {text} {name}", f"KEPT {name}")

    async def _typed(self, crowd: Crowd, page: Page, desktop_id: str, line: str, answer: str) -> list[str]:
        """Type a line until the guest answers it; all that the guest has said. A person, too, would type again what was garbled
        or went to a screen that was just lost."""
        log = self._log_of(desktop_id)
        deadline = time.monotonic() + crowd.patience_seconds
        await type_line(page, line)
        while True:
            look_until = time.monotonic() + _AGAIN_SECONDS
            while time.monotonic() < look_until:
                said = await asyncio.to_thread(_lines_of, log)
                if any(answer in each for each in said):
                    crowd.tally["typed"] += 1
                    return said
                if desktop_id in crowd.killed:
                    raise Cut(desktop_id)
                await asyncio.sleep(0.3)
            assert time.monotonic() < deadline, f"{desktop_id} does not answer to {line!r}: {said[-5:]}"
            crowd.tally["typed again"] += 1
            await type_line(page, f"\n{line}")  # behind whatever stands there half typed

    def _log_of(self, desktop_id: str) -> Path:
        return self._instances / self._server_of(desktop_id) / "console.log"


def _lines_of(log: Path) -> list[str]:
    """Whole lines alone: the last may be half written. A shell's prompt may stand before what was said."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return [line.rstrip("\r") for line in text.split("\n")[:-1]]
