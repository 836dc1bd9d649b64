"""A pool's roll-outs, led by an administrator who does what comes to mind, and what may be seen of them from outside."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, and_, or_, select
from tests.support.installation import Installation

from yunzhuo.phoenix.db.models import ConsoleSession, Desktop, Operation, Pool
from yunzhuo.services.access import Actor
from yunzhuo.services.rollout_book import RolloutView
from yunzhuo.services.rules.lifecycle import Action, Wanted
from yunzhuo.services.rules.rollouts import Pace, RolloutStatus, RolloutVerb

_LEFT_ALONE = timedelta(minutes=30)
_PACES = (
    Pace(stages=(100,), at_once_percent=50, most_failures=2),
    Pace(stages=(40, 100), at_once_percent=20, most_failures=2),
    Pace(stages=(20, 60, 100), at_once_percent=40, most_failures=3),
)


@dataclass
class RolloutWatch:
    """One pool, and what was seen of its roll-outs at the last look.

    ``told`` are the people's desktops that were said to be put onto another image and from when on, of the roll-out that was
    last seen; ``images`` are those of all its desktops.
    """

    yunzhuo: Installation
    boss: Actor
    pool_id: str
    images_of_choice: Sequence[str]
    notice_hours: int
    chance: random.Random
    tally: Counter[str]
    last: RolloutView | None = None
    looked_at: datetime | None = None
    told: dict[str, datetime] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return self.last is not None and self.last.status is not RolloutStatus.DONE

    def lead(self) -> None:
        """Begin one, say something to the one that is open, or leave it alone. Whatever was said is seen at once."""
        view = self._view()
        if view is None or view.gives_way:
            if self.chance.random() < 0.1:
                self._begin()
            elif view is not None and self.chance.random() < 0.05:
                self._say(RolloutVerb.BACK, view)
        elif view.status is not RolloutStatus.RUNNING and self.chance.random() < 0.5:
            self._say(self.chance.choice([RolloutVerb.RESUME, RolloutVerb.RESUME, RolloutVerb.BACK]), view)
        elif view.is_stage_reached and RolloutVerb.ADVANCE in view.verbs:
            self._say(RolloutVerb.ADVANCE, view)
        elif self.chance.random() < 0.2:
            self._say(self.chance.choice([RolloutVerb.PAUSE, RolloutVerb.PAUSE, RolloutVerb.BACK]), view)
        self.look()

    def _begin(self) -> None:
        with self.yunzhuo.connection() as connection:
            image_id = connection.scalar(select(Pool.image_id).where(Pool.id == self.pool_id))
        if self.is_open:  # it waits for people only, and ends with this
            image_id = self._leads_to()
        other = next(each for each in self.images_of_choice if each != image_id)
        pace = replace(self.chance.choice(_PACES), notice_hours=self.notice_hours)
        self.yunzhuo.services.rollouts.start(self.boss, self.pool_id, other, pace)
        self.tally["roll-outs begun"] += 1

    def _say(self, verb: RolloutVerb, view: RolloutView) -> None:
        if verb not in view.verbs:  # there is no way back from the way back
            return
        rollouts = self.yunzhuo.services.rollouts
        if verb is RolloutVerb.ADVANCE:
            rollouts.advance(self.boss, self.pool_id, view.stage)
        else:
            {RolloutVerb.PAUSE: rollouts.pause, RolloutVerb.RESUME: rollouts.resume, RolloutVerb.BACK: rollouts.back}[verb](
                self.boss, self.pool_id
            )
        self.tally[f"roll-outs: {verb}"] += 1

    def look(self) -> None:
        """What holds at every moment. To be called after whatever may have changed something."""
        before, self.last = self.last, self._view()
        since, self.looked_at = self.looked_at or self.yunzhuo.clock.now(), self.yunzhuo.clock.now()
        if self.last is None:
            return
        if before is None or (before.id, before.is_back) != (self.last.id, self.last.is_back):
            self.told, since = {}, self.yunzhuo.clock.now()
        self._look_at_rebuilds(since)
        self._look_at_notices(since)
        is_as_before = before is not None and (before.id, before.status, before.stage) == (
            self.last.id,
            self.last.status,
            self.last.stage,
        )
        self._look_at_new_ones(since, is_as_before=is_as_before)
        if before is not None and before.status is not self.last.status:
            self.tally[f"roll-outs seen {self.last.status}"] += 1
            if self.last.status is RolloutStatus.DONE:
                self._look_at_end()

    def _look_at_rebuilds(self, since: datetime) -> None:
        """People's desktops are put onto another image after they were told, the notice is over, and nobody uses them."""
        query = (
            select(Operation.desktop_id, Operation.arguments, Operation.created_at)
            .join(Desktop, Desktop.id == Operation.desktop_id)
            .join(Pool, and_(Pool.id == Desktop.pool_id, Pool.account_id == Operation.user_id))
            .where(Pool.id == self.pool_id, Operation.action == Action.REBUILD, Operation.created_at > since)
        )
        for desktop_id, arguments, begun_at in self._rows(query):
            if arguments["image"] == self._leads_to():
                assert desktop_id in self.told, "nobody was told"
                assert self.told[desktop_id] <= begun_at, "before the time that people were told"
            used = select(ConsoleSession.id).where(
                ConsoleSession.desktop_id == desktop_id,
                ConsoleSession.started_at <= begun_at,
                or_(ConsoleSession.ended_at.is_(None), ConsoleSession.ended_at > begun_at - _LEFT_ALONE),
            )
            if arguments["image"] == self._leads_to():
                assert not self._rows(used), "under somebody's hands"
            self.tally["desktops put onto another image"] += 1

    def _look_at_notices(self, since: datetime) -> None:
        query = select(Desktop.id, Desktop.renews_at).where(Desktop.pool_id == self.pool_id, Desktop.renews_at.is_not(None))
        for desktop_id, renews_at in self._rows(query):
            if desktop_id not in self.told:
                assert renews_at >= since + timedelta(hours=self.notice_hours), "told too late"
                self.told[desktop_id] = renews_at

    def _look_at_new_ones(self, since: datetime, *, is_as_before: bool) -> None:
        """A roll-out that rests makes nothing new, and one that goes on no more than its stage allows. The way back leads to
        what is known, of which everything is made at any time."""
        assert self.last is not None
        if self.last.is_back:
            return
        query = select(Desktop.id, Desktop.created_at).where(
            Desktop.pool_id == self.pool_id, Desktop.image_id == self._leads_to(), Desktop.wanted != Wanted.GONE
        )
        of_the_new = self._rows(query)
        begun = [desktop_id for desktop_id, created_at in of_the_new if created_at > since]
        if not begun or not is_as_before:
            return
        if self.last.status is RolloutStatus.RUNNING:
            assert len(of_the_new) <= self.last.level, "more than the stage allows"
        elif self.last.status is not RolloutStatus.DONE:
            raise AssertionError("a roll-out that rests made something new")

    def _look_at_end(self) -> None:
        """Nothing of the pool has another image than the one that its roll-out led to."""
        query = select(Desktop.image_id).where(
            Desktop.pool_id == self.pool_id, Desktop.deleted_at.is_(None), Desktop.wanted != Wanted.GONE
        )
        assert {image_id for (image_id,) in self._rows(query)} <= {self._leads_to()}, "done, and something is left"

    def _leads_to(self) -> str:
        assert self.last is not None
        return (self.last.origin if self.last.is_back else self.last.target).id

    def _view(self) -> RolloutView | None:
        return self.yunzhuo.services.rollouts.get(self.boss, self.pool_id)

    def _rows(self, query: Select[*tuple[Any, ...]]) -> Sequence[Row[*tuple[Any, ...]]]:
        with self.yunzhuo.connection() as connection:
            return connection.execute(query).all()
