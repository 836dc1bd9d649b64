"""Whether the cloud tells of changes by itself, as schedulers that listen report it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.db.models import NoticeListener
from yunzhuo.phoenix.db.session import Database, retried_when_contended

# A listener that has not reported for so long is not believed to listen; after the other, it is forgotten.
_SILENT_AFTER = timedelta(seconds=20)
_FORGOTTEN_AFTER = timedelta(hours=1)
# A cloud in which nothing happened at night still tells in the morning; one that was told to be silent does not for ever.
_BELIEVED_FOR = timedelta(days=1)
_KNOWN_FOR = timedelta(seconds=2)


@dataclass(slots=True)
class Tally:
    """What a listener has to report; see the table for the meaning."""

    failure: str | None = None
    heard_at: datetime | None = None
    lag_seconds: float | None = None
    received: int = 0
    unreadable: int = 0
    about_us: int = 0
    hastened: int = 0
    looked_at: int = 0


class NoticeBook:
    """Read by whoever decides how soon to look again; ``scheduler`` names whoever writes."""

    def __init__(self, db: Database, clock: Clock, *, scheduler: str) -> None:
        self._db = db
        self._clock = clock
        self._scheduler = scheduler
        self._known: tuple[datetime, bool] | None = None

    def is_told(self) -> bool:
        """Whether somebody listens, and has heard of our project lately. May be two seconds old."""
        now = self._clock.now()
        known = self._known
        if known is None or not timedelta() <= now - known[0] < _KNOWN_FOR:
            heard = (each.heard_at for each in self.listeners() if each.failure is None)
            known = self._known = now, any(at is not None and now - at < _BELIEVED_FOR for at in heard)
        return known[1]

    def listeners(self) -> Sequence[NoticeListener]:
        """Those that have reported lately."""
        with self._db.reading() as tx:
            lately = NoticeListener.reported_at > self._clock.now() - _SILENT_AFTER
            return tx.scalars(select(NoticeListener).where(lately)).all()

    def figures(self) -> dict[str, int]:
        """For the metrics page; empty where nobody listens. The lag is the longest."""
        found = self.listeners()
        if not found:
            return {}
        counts = ("received", "unreadable", "about_us", "hastened", "looked_at")
        lag = max((each.lag_seconds or 0.0 for each in found), default=0.0)
        return {
            "notices_listening": sum(each.failure is None for each in found),
            **{f"notices_{name}": sum(getattr(each, name) for each in found) for name in counts},
            "notices_lag_milliseconds": round(1000 * lag),
        }

    @retried_when_contended
    def report(self, tally: Tally) -> None:
        """Keep what this process says, in the place of what it said before."""
        now = self._clock.now()
        with self._db.transaction() as tx:
            row = tx.get(NoticeListener, self._scheduler)
            if row is None:
                row = NoticeListener(scheduler=self._scheduler)
                tx.add(row)
            row.failure = tally.failure[:300] if tally.failure is not None else None
            row.heard_at, row.lag_seconds, row.received = tally.heard_at, tally.lag_seconds, tally.received
            row.unreadable, row.about_us = tally.unreadable, tally.about_us
            row.hastened, row.looked_at, row.reported_at = tally.hastened, tally.looked_at, now
            tx.execute(delete(NoticeListener).where(NoticeListener.reported_at < now - _FORGOTTEN_AFTER))

    @retried_when_contended
    def leave(self) -> None:
        """Forget what this process said: it listens no more."""
        with self._db.transaction() as tx:
            tx.execute(delete(NoticeListener).where(NoticeListener.scheduler == self._scheduler))
