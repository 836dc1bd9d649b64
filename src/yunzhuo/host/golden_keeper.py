"""Sees to it that the goldens that should stand do: fetched from the cache, else built, one after another, when it is quiet."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from yunzhuo.host.capacity import measure
from yunzhuo.host.engine import Engine
from yunzhuo.host.golden_build import GoldenPlan, build_golden
from yunzhuo.host.golden_cache import GoldenCache
from yunzhuo.host.goldens import Golden, Goldens, golden_key
from yunzhuo.host.images import StoredImage
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.settings import FlavorSettings

_ROUND_SECONDS = 2.0
_QUIET_SECONDS = 3.0
_PLENTY = 3
_ROOM = 2
_FIRST_RETRY_SECONDS = 30.0
_LONGEST_RETRY_SECONDS = 1800.0

logger = get_logger()


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a golden is missing, and when to try again (monotonic seconds)."""

    times: int
    retry_at: float
    message: str


class GoldenKeeper:
    """``last_busy_at`` tells when (monotonic) a person last waited for a machine; ``in_use`` which builds have desktops."""

    def __init__(
        self,
        engine: Engine,
        goldens: Goldens,
        cache: GoldenCache,
        *,
        last_busy_at: Callable[[], float],
        in_use: Callable[[], set[str]],
    ) -> None:
        self._engine = engine
        self._goldens = goldens
        self._cache = cache
        self._last_busy_at = last_busy_at
        self._in_use = in_use
        self._failures: dict[str, _Failure] = {}
        self._task: asyncio.Task[None] | None = None
        self._building: str | None = None

    @property
    def problems(self) -> list[str]:
        """A sentence for each golden that could not be built."""
        return [failure.message for failure in self._failures.values()]

    @property
    def building(self) -> str | None:
        """The key of the golden that is being built now."""
        return self._building

    def start(self) -> None:
        """Begin to keep."""
        self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Stop; a golden half built is given up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def find(self, image: StoredImage, flavor: FlavorSettings, language: str | None) -> Golden | None:
        """The golden to clone for this image and flavor: in this language, else in another, if any stands.

        A clone's session is begun again when it speaks another language, which is still sooner than a boot.
        Raises MachineFailed.
        """
        if not image.has_kernel:
            return None
        for spoken in dict.fromkeys((language, *self._languages(image))):
            golden = self._goldens.standing((await self._plan(image, flavor, spoken)).key)
            if golden is not None:
                return golden
        return None

    async def is_prepared(self, image: StoredImage, flavor: FlavorSettings) -> bool:
        """Whether the golden in the installation's language stands. Raises MachineFailed."""
        if not image.has_kernel:
            return False
        plan = await self._plan(image, flavor, self._languages(image)[0])
        return self._goldens.standing(plan.key) is not None

    async def _keep(self) -> None:
        while True:
            try:
                await self._round()
            except Exception:
                # Whatever it was, desktops start slowly while nobody keeps goldens, and the next round may go well.
                logger.exception("goldens_round_failed")
            await asyncio.sleep(_ROUND_SECONDS)

    async def _round(self) -> None:
        images = self._engine.images.newest_of_each_kind()
        if not images:
            return
        flavors = [flavor for flavor in self._engine.settings.flavors if flavor.id in self._engine.settings.prepared_flavors]
        plans = await self._plans(images, flavors)
        for plan in plans:
            is_missing = self._goldens.standing(plan.key) is None
            if is_missing and self._may_try(plan.key) and (plan is plans[0] or self._has_room(plan)):
                # Whoever starts Yunzhuo for the first time waits for the first golden; nobody waits for the others.
                await self._provide(plan, is_awaited=plan is plans[0] and not self._in_use())
            await self._warm(plan.key)
        wanted = {plan.key for plan in plans}
        self._failures = {key: failure for key, failure in self._failures.items() if key in wanted}
        lacking = [plan for plan in plans if self._goldens.standing(plan.key) is None]
        if not any(plan is plans[0] or self._has_room(plan) for plan in lacking):
            self._goldens.remove_all_but(wanted, self._in_use())

    async def _plans(self, images: Sequence[StoredImage], flavors: Sequence[FlavorSettings]) -> list[GoldenPlan]:
        """Every golden that should stand, the most wanted first: all images and sizes in one language, then in the next."""
        plans: dict[str, GoldenPlan] = {}
        for place in range(len(self._engine.languages)):
            for image in images:
                languages = self._languages(image)
                for flavor in flavors if place < len(languages) else ():
                    if image.fits(flavor):
                        plan = await self._plan(image, flavor, languages[place])
                        plans[plan.key] = plan
        return [*plans.values()]

    def _languages(self, image: StoredImage) -> tuple[str | None, ...]:
        """The languages to prepare this image in, at least one."""
        spoken = tuple(language for language in self._engine.languages if language in image.manifest.languages)
        return spoken or (image.spoken(),)

    async def _plan(self, image: StoredImage, flavor: FlavorSettings, language: str | None) -> GoldenPlan:
        hardware = await self._engine.hardware(image, vcpus=flavor.vcpus, memory_mib=flavor.memory_mib)
        key = golden_key(flavor.id, flavor.disk_mib, hardware, image, language, await self._engine.version())
        return GoldenPlan(key, flavor.id, flavor.disk_mib, hardware, image, language)

    def _may_try(self, key: str) -> bool:
        failure = self._failures.get(key)
        return failure is None or time.monotonic() >= failure.retry_at

    async def _provide(self, plan: GoldenPlan, *, is_awaited: bool) -> None:
        folder = await asyncio.to_thread(self._cache.fetch, plan.key, self._engine.layout.goldens)
        if folder is not None:
            logger.info("golden_fetched", golden=folder.name)
        elif self._is_quiet():
            folder = await self._build(plan, low_priority=not is_awaited)
        if folder is not None:
            self._failures.pop(plan.key, None)
            self._engine.account.let_pass(folder)
            self._goldens.add(folder)

    async def _warm(self, key: str) -> None:
        """Read a golden's memory before somebody waits for it, where there is plenty of room."""
        golden = self._goldens.standing(key)
        if golden is None or golden.name in self._goldens.in_memory:
            return
        if self._free_mib() >= _PLENTY * golden.manifest.memory_mib:
            await self._goldens.memory(golden)

    def _has_room(self, plan: GoldenPlan) -> bool:
        """Whether memory is left for a golden and a desktop; the first golden is built in any case."""
        return self._free_mib() >= _ROOM * plan.hardware.memory_mib

    def _free_mib(self) -> int:
        return measure(self._engine.layout.root).memory_mib - self._engine.settings.memory_reserve_mib

    def _is_quiet(self) -> bool:
        return time.monotonic() - self._last_busy_at() >= _QUIET_SECONDS

    async def _build(self, plan: GoldenPlan, *, low_priority: bool) -> Path | None:
        with self._cache.turn(plan.key) as is_ours:
            if not is_ours:
                return None
            self._building = plan.key
            try:
                folder, memory = await build_golden(self._engine, plan, low_priority=low_priority)
            except (MachineFailed, OSError) as error:
                self._note_failure(plan, str(getattr(error, "message", error)))
                return None
            finally:
                self._building = None
            self._goldens.keep_memory(folder.name, memory)
            await asyncio.to_thread(self._cache.keep, folder)
        return folder

    def _note_failure(self, plan: GoldenPlan, why: str) -> None:
        times = self._failures[plan.key].times + 1 if plan.key in self._failures else 1
        pause = min(_FIRST_RETRY_SECONDS * 2 ** (times - 1), _LONGEST_RETRY_SECONDS)
        message = f"Desktops of size {plan.flavor_id} start slowly: they could not be prepared ({why})"
        self._failures[plan.key] = _Failure(times, time.monotonic() + pause, message)
        logger.warning("golden_build_failed", golden=plan.key, why=why, times=times, retry_seconds=pause)
