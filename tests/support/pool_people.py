"""People who come to a floating pool, work, leave and come again, each in a browser window of their own.

What they see is judged while it happens: their own files and nobody else's, no trace of whoever had the desktop before, a
desktop that nobody else has ever had. How long they waited is noted in :class:`Visit` for whoever counts afterwards.
"""

import asyncio
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field

from playwright.async_api import Browser, Page, expect
from tests.support import inside
from tests.support.running import PASSWORD, Running

from yunzhuo.phoenix.common.errors import Unavailable

PATIENCE_SECONDS = 120
_DESKTOP = re.compile(r"/desktops/([0-9a-f-]{36})$")
# Where a mark of whoever had it would be left: on the system disk, in their home and outside of it, and in memory.
_PLACES = ("/home/user", "/var/tmp", "/tmp")
_NOTES = "/home/user/Personal"

# The screen is connected, and what it shows is a picture: more than a few colors.
_SHOWS_A_PICTURE = """() => {
    const canvas = document.querySelector('canvas')
    if (document.body.dataset.console !== 'connected' || !canvas || !canvas.width) return false
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
    const seen = new Set()
    for (let i = 0; i < pixels.length; i += 4 * 997) seen.add(pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2])
    return seen.size > 4
}"""


@dataclass
class Visit:
    """One time that somebody got a desktop; times in seconds, of ``time.monotonic`` and since the click."""

    email: str
    desktop_id: str
    clicked_at: float
    page_seconds: float
    picture_seconds: float | None = None

    @property
    def page_at(self) -> float:
        """When the desktop's page was there."""
        return self.clicked_at + self.page_seconds


@dataclass
class Crowd:
    """What all people of a pool share, and what was seen of them. ``ends_at``: nobody comes after it (``time.monotonic``).

    ``holders`` says whose each desktop is or was, ``at_work`` who works at it now, ``killed`` when its machine was killed.
    """

    yunzhuo: Running
    browser: Browser
    pool_name: str
    ends_at: float
    seed: int
    visits: list[Visit] = field(default_factory=list)
    holders: dict[str, str] = field(default_factory=dict)
    at_work: dict[str, str] = field(default_factory=dict)
    killed: dict[str, float] = field(default_factory=dict)
    tally: Counter[str] = field(default_factory=Counter)

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.ends_at

    def give(self, desktop_id: str, email: str) -> None:
        """Note whose a desktop is; a desktop of a floating pool is one person's, for ever."""
        holder = self.holders.setdefault(desktop_id, email)
        assert holder == email, f"{desktop_id} was given to {holder} and then to {email}"

    async def ask_inside(self, desktop_id: str, command: str, *, as_person: bool = True) -> str:
        """What a shell in the desktop says. A host that is away is waited for, unless the machine was killed."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        ask = inside.as_person if as_person else inside.inside
        while True:
            try:
                return await asyncio.to_thread(ask, self.yunzhuo, desktop_id, command)
            except Unavailable:
                if desktop_id in self.killed or time.monotonic() > deadline:
                    raise
                self.tally["waited for the host"] += 1
                await asyncio.sleep(0.5)


class Person:
    """Somebody with an account, a personal disk, and a mind of their own (which the crowd's seed decides)."""

    def __init__(self, crowd: Crowd, email: str) -> None:
        self.email = email
        self.visits = 0
        self._crowd = crowd
        self._chance = random.Random(f"{crowd.seed} {email}")
        self._notes: dict[str, str] = {}
        # Being written when their machine was killed: there or not.
        self._doubtful: dict[str, str] = {}

    async def live(self) -> None:
        """Come and go until nobody comes any more."""
        await asyncio.sleep(self._chance.uniform(0, 30))
        while not self._crowd.is_over:
            await self._come()
            await asyncio.sleep(self._chance.uniform(15, 50))

    async def _come(self) -> None:
        context = await self._crowd.browser.new_context(viewport={"width": 1024, "height": 768}, locale="en-US")
        async with context:
            context.set_default_timeout(PATIENCE_SECONDS * 1000)
            page = await context.new_page()
            await self._sign_in(page)
            visit = await self._get_desktop(page)
            if visit is None:
                return
            self._crowd.at_work[visit.desktop_id] = self.email
            try:
                await self._work(page, visit)
            except Exception:
                if visit.desktop_id not in self._crowd.killed:
                    raise
                self._crowd.tally["cut off by a killed machine"] += 1
            finally:
                del self._crowd.at_work[visit.desktop_id]
            await self._give_back(page)

    async def _sign_in(self, page: Page) -> None:
        await page.goto(f"{self._crowd.yunzhuo.url}/sign-in?next=/desktops")
        await page.get_by_label("E-mail address").fill(self.email)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url("**/desktops")

    async def _get_desktop(self, page: Page) -> Visit | None:
        """Click until there is a desktop; None when the day is over before."""
        button = page.get_by_role("article", name=self._crowd.pool_name).get_by_role("button", name="Get a desktop")
        while not self._crowd.is_over:
            if await button.is_visible():
                clicked_at = time.monotonic()
                async with page.expect_navigation(wait_until="commit"):
                    await button.click()
                page_seconds = time.monotonic() - clicked_at
                found = _DESKTOP.search(page.url)
                if found is not None:
                    visit = Visit(self.email, found[1], clicked_at, page_seconds)
                    self._crowd.give(visit.desktop_id, self.email)
                    self._crowd.visits.append(visit)
                    return visit
            self._crowd.tally["told that all are taken"] += 1
            await asyncio.sleep(self._chance.uniform(1, 3))
            await page.reload()
        return None

    async def _work(self, page: Page, visit: Visit) -> None:
        await page.wait_for_function(_SHOWS_A_PICTURE, polling=100)
        visit.picture_seconds = time.monotonic() - visit.clicked_at
        await self._find_no_trace(visit)
        await self._find_own_files(visit)
        self.visits += 1
        mark = f"{self._chance.randrange(2**40):010x}"
        marks = "; ".join(f"echo {self.email} > {place}/mark-{mark}" for place in _PLACES)
        await self._crowd.ask_inside(visit.desktop_id, f"{marks}; sync")
        await self._type(page, visit, mark)
        await asyncio.sleep(self._chance.uniform(2, 12))
        await self._write_note(visit, mark)

    async def _find_no_trace(self, visit: Visit) -> None:
        looked = f"ls {' '.join(_PLACES)} | grep ^mark- || echo nothing"
        found = await self._crowd.ask_inside(visit.desktop_id, looked, as_person=False)
        assert found == "nothing", f"{self.email} found another's traces: {found}"

    async def _find_own_files(self, visit: Visit) -> None:
        usage = "/etc/desktop/personal usage"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await self._crowd.ask_inside(visit.desktop_id, usage, as_person=False):
            assert time.monotonic() < deadline, f"{self.email} has no personal files at {visit.desktop_id}"
            await asyncio.sleep(1)
        told = await self._crowd.ask_inside(visit.desktop_id, f"grep -sH . {_NOTES}/note-* || echo none")
        lines = (line.removeprefix(f"{_NOTES}/note-").partition(":") for line in told.splitlines() if line != "none")
        found = {name: text for name, _, text in lines}
        assert self._notes.items() <= found.items() <= (self._notes | self._doubtful).items(), (self.email, found, self._notes)
        self._notes, self._doubtful = found, {}

    async def _type(self, page: Page, visit: Visit, mark: str) -> None:
        """Type into the terminal on the screen. No key of it needs Shift, which automation does not press.

        On a starved computer seconds may lie between a key's going down and up, and the guest repeats it: a person would see
        that and type again, and so do we. What never came is counted, and is no fault of the pool's.
        """
        typed = f"/var/tmp/mark-typed-{mark}"
        for _ in range(2):
            await page.locator("canvas").click(position={"x": 300, "y": 300})
            for key in f"\ntouch {typed}\n":
                await page.keyboard.type(key)
                await asyncio.sleep(0.03)
            look_until = time.monotonic() + 10
            while time.monotonic() < look_until:
                if await self._crowd.ask_inside(visit.desktop_id, f"ls {typed} 2>/dev/null || echo nothing") == typed:
                    self._crowd.tally["typed"] += 1
                    return
                await asyncio.sleep(1)
            self._crowd.tally["typed again"] += 1
        self._crowd.tally["typed in vain"] += 1

    async def _write_note(self, visit: Visit, mark: str) -> None:
        self._doubtful[mark] = self.email
        await self._crowd.ask_inside(visit.desktop_id, f"echo {self.email} > {_NOTES}/note-{mark}; sync")
        self._notes[mark] = self._doubtful.pop(mark)

    async def _give_back(self, page: Page) -> None:
        await page.goto(f"{self._crowd.yunzhuo.url}/desktops")
        leave = page.get_by_role("article", name=self._crowd.pool_name).get_by_role("link", name="Give back…")
        await leave.click()
        await page.locator("#confirm-release").click()
        await expect(leave).to_have_count(0, timeout=PATIENCE_SECONDS * 1000)
