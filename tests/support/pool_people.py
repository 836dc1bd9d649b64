"""People who come to a floating pool, work, leave and come again, each in a browser window of their own.

What they see is judged while it happens: their own files and nobody else's, no trace of whoever had the desktop before, a
desktop that nobody else has ever had. How long they waited is noted in :class:`Visit` for whoever counts afterwards.
"""

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from playwright.async_api import Browser, Page, expect
from tests.support.running import PASSWORD, Running

_DESKTOP = re.compile(r"/desktops/([0-9a-f-]{36})$")


@dataclass(frozen=True)
class Found:
    """What somebody finds in their desktop: marks of whoever had it before, and their own notes by name (None: their personal
    files are not there yet)."""

    marks: Sequence[str]
    notes: Mapping[str, str] | None


class Hands(Protocol):
    """What people do in desktops of one kind. ``picture`` is JavaScript that says whether the page shows the screen.

    Each may raise when the desktop's machine was killed, and looks again itself for what a starved computer or a host that is
    away keeps from it.
    """

    picture: str

    async def look(self, crowd: "Crowd", page: Page, desktop_id: str) -> Found:
        """Look around."""

    async def leave_marks(self, crowd: "Crowd", page: Page, desktop_id: str, mark: str) -> None:
        """Leave a mark where the next person must not find one: in memory and on the system's disk."""

    async def keep(self, crowd: "Crowd", page: Page, desktop_id: str, name: str, text: str) -> None:
        """Put a note among one's personal files; it is written out when this returns."""


@dataclass
class Visit:
    """One time that somebody got a desktop; times in seconds, of ``time.monotonic`` and since the click."""

    email: str
    desktop_id: str
    clicked_at: float
    page_seconds: float
    picture_seconds: float | None = None
    files_seconds: float | None = None
    notes_found: int = 0

    @property
    def page_at(self) -> float:
        """When the desktop's page was there."""
        return self.clicked_at + self.page_seconds

    def waited_seconds(self, ready_at: float) -> float:
        """How long they waited while the desktop that they got was there, which was ready at that moment."""
        return self.page_at - max(self.clicked_at, ready_at)


@dataclass
class Crowd:
    """What all people of a pool share, and what was seen of them. ``ends_at``: nobody comes after it (``time.monotonic``).

    ``holders`` says whose each desktop is or was, ``at_work`` who works at it now, ``killed`` when its machine was killed.
    ``patience_seconds``: so long anybody waits for anything. From and to: ``look_again_seconds``, how often they look whether
    there is a desktop for them, ``first_seconds``, when they come first, ``away_seconds``, how long they are away.
    """

    yunzhuo: Running
    hands: Hands
    browser: Browser
    pool_name: str
    ends_at: float
    seed: int
    patience_seconds: float
    look_again_seconds: tuple[float, float]
    first_seconds: tuple[float, float]
    away_seconds: tuple[float, float]
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


class Person:
    """Somebody with an account, a personal disk, and a mind of their own (which the crowd's seed decides)."""

    def __init__(self, crowd: Crowd, email: str) -> None:
        self.email = email
        self._name = email.partition("@")[0]
        self._crowd = crowd
        self._chance = random.Random(f"{crowd.seed} {email}")
        self._notes: dict[str, str] = {}
        # Being written when their machine was killed: there or not.
        self._doubtful: dict[str, str] = {}

    async def live(self) -> None:
        """Come and go until nobody comes any more."""
        await asyncio.sleep(self._chance.uniform(*self._crowd.first_seconds))
        while not self._crowd.is_over:
            await self._come()
            await asyncio.sleep(self._chance.uniform(*self._crowd.away_seconds))

    async def _come(self) -> None:
        context = await self._crowd.browser.new_context(viewport={"width": 1024, "height": 768}, locale="en-US")
        async with context:
            context.set_default_timeout(self._crowd.patience_seconds * 1000)
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
            await asyncio.sleep(self._chance.uniform(*self._crowd.look_again_seconds))
            await page.reload()
        return None

    async def _work(self, page: Page, visit: Visit) -> None:
        crowd, hands = self._crowd, self._crowd.hands
        await self._see_picture(page)
        visit.picture_seconds = time.monotonic() - visit.clicked_at
        await self._find_own_files(page, visit)
        mark = f"{self._chance.randrange(2**40):010x}"
        await hands.leave_marks(crowd, page, visit.desktop_id, mark)
        await asyncio.sleep(self._chance.uniform(2, 12))
        self._doubtful[mark] = self._name
        await hands.keep(crowd, page, visit.desktop_id, mark, self._name)
        self._notes[mark] = self._doubtful.pop(mark)

    async def _see_picture(self, page: Page) -> None:
        """What could not be made, as its host was killed meanwhile, is tried again: the page offers that."""
        again = page.get_by_role("button", name="Try again")
        seen = asyncio.create_task(page.wait_for_function(self._crowd.hands.picture, polling=100))
        try:
            while not (await asyncio.wait({seen}, timeout=1))[0]:
                if await again.is_visible():
                    self._crowd.tally["not made, and tried again"] += 1
                    await again.click()
            await seen
        finally:
            seen.cancel()

    async def _find_own_files(self, page: Page, visit: Visit) -> None:
        """And nothing of anybody else's."""
        deadline = time.monotonic() + self._crowd.patience_seconds
        found = await self._crowd.hands.look(self._crowd, page, visit.desktop_id)
        while found.notes is None:
            assert not found.marks, f"{self.email} found another's traces: {found.marks}"
            assert time.monotonic() < deadline, f"{self.email} has no personal files at {visit.desktop_id}"
            await asyncio.sleep(1)
            found = await self._crowd.hands.look(self._crowd, page, visit.desktop_id)
        assert not found.marks, f"{self.email} found another's traces: {found.marks}"
        visit.files_seconds = time.monotonic() - visit.clicked_at
        visit.notes_found = len(found.notes)
        assert self._notes.items() <= found.notes.items() <= (self._notes | self._doubtful).items(), (
            self.email,
            found.notes,
            self._notes,
        )
        self._notes, self._doubtful = dict(found.notes), {}

    async def _give_back(self, page: Page) -> None:
        await page.goto(f"{self._crowd.yunzhuo.url}/desktops")
        leave = page.get_by_role("article", name=self._crowd.pool_name).get_by_role("link", name="Give back…")
        await leave.click()
        await page.locator("#confirm-release").click()
        await expect(leave).to_have_count(0, timeout=self._crowd.patience_seconds * 1000)


async def type_line(page: Page, line: str) -> None:
    """Type a line into the screen and end it. No key of it may need Shift, which automation does not press."""
    await page.locator("canvas").click(position={"x": 300, "y": 300})
    for key in f"{line}\n":
        await page.keyboard.type(key)
        await asyncio.sleep(0.03)
