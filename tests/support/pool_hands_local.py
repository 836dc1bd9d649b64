"""What people do in desktops of the driver ``local``: by its guest agent as the person and as root, and by typing."""

import asyncio
import time

from playwright.async_api import Page
from tests.support import inside
from tests.support.pool_people import Crowd, Found, type_line

from yunzhuo.phoenix.common.errors import Unavailable

# Where a mark of whoever had it would be left: on the system disk, in their home and outside of it, and in memory.
_PLACES = ("/home/user", "/var/tmp", "/tmp")
_NOTES = "/home/user/Personal"


class LocalHands:
    """See :class:`tests.support.pool_people.Hands`."""

    # The screen is connected, and what it shows is a picture: more than a few colors.
    picture = """() => {
        const canvas = document.querySelector('canvas')
        if (document.body.dataset.console !== 'connected' || !canvas || !canvas.width) return false
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
        const seen = new Set()
        for (let i = 0; i < pixels.length; i += 4 * 997) seen.add(pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2])
        return seen.size > 4
    }"""

    async def look(self, crowd: Crowd, page: Page, desktop_id: str) -> Found:
        looked = f"ls {' '.join(_PLACES)} | grep ^mark- || echo nothing"
        marks = await _ask(crowd, desktop_id, looked, as_person=False)
        found = [] if marks == "nothing" else marks.split()
        if not await _ask(crowd, desktop_id, "/etc/desktop/personal usage", as_person=False):
            return Found(found, None)
        told = await _ask(crowd, desktop_id, f"grep -sH . {_NOTES}/note-* || echo none")
        lines = (line.removeprefix(f"{_NOTES}/note-").partition(":") for line in told.splitlines() if line != "none")
        return Found(found, {name: text for name, _, text in lines})

    async def leave_marks(self, crowd: Crowd, page: Page, desktop_id: str, mark: str) -> None:
        marks = "; ".join(f"echo {mark} > {place}/mark-{mark}" for place in _PLACES)
        await _ask(crowd, desktop_id, f"{marks}; sync")
        await self._type(crowd, page, desktop_id, mark)

    async def keep(self, crowd: Crowd, page: Page, desktop_id: str, name: str, text: str) -> None:
        await _ask(crowd, desktop_id, f"echo {text} > {_NOTES}/note-{name}; sync")

    async def _type(self, crowd: Crowd, page: Page, desktop_id: str, mark: str) -> None:
        """Type into the terminal on the screen.

        On a starved computer seconds may lie between a key's going down and up, and the guest repeats it: a person would see
        that and type again, and so do we. What never came is counted, and is no fault of the pool's.
        """
        typed = f"/var/tmp/mark-typed-{mark}"
        for _ in range(2):
            await type_line(page, f"\ntouch {typed}")
            look_until = time.monotonic() + 10
            while time.monotonic() < look_until:
                if await _ask(crowd, desktop_id, f"ls {typed} 2>/dev/null || echo nothing") == typed:
                    crowd.tally["typed"] += 1
                    return
                await asyncio.sleep(1)
            crowd.tally["typed again"] += 1
        crowd.tally["typed in vain"] += 1


async def _ask(crowd: Crowd, desktop_id: str, command: str, *, as_person: bool = True) -> str:
    """What a shell in the desktop says. A host that is away is waited for, unless the machine was killed."""
    deadline = time.monotonic() + crowd.patience_seconds
    ask = inside.as_person if as_person else inside.inside
    while True:
        try:
            return await asyncio.to_thread(ask, crowd.yunzhuo, desktop_id, command)
        except Unavailable:
            if desktop_id in crowd.killed or time.monotonic() > deadline:
                raise
            crowd.tally["waited for the host"] += 1
            await asyncio.sleep(0.5)
