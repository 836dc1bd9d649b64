"""Acting on what the cloud tells by itself: a hint that a server may have changed makes somebody look at it now.

Nothing in a hint is believed. An operation that waits for the server is due at once instead of later, and finds out for itself;
a desktop at rest is looked at, and what differs is written down as the reconciler does. A hint that is lost costs time, a false
one a look at the cloud.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, Select, or_, select, update

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.notice_interface import Heard
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import YunzhuoError
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.settings import CloudSettings
from yunzhuo.phoenix.db.models import Desktop, Operation
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.notice_book import NoticeBook, Tally
from yunzhuo.services.reconciliation import Reconciler
from yunzhuo.services.rules import lifecycle

log = get_logger()

LISTEN_SECONDS = 1.0
_ACTIVE = frozenset(status.value for status in lifecycle.ACTIVE)
_ADMITTED = frozenset(status.value for status in lifecycle.ADMITTED)
# While somebody is looking at a server, and may have looked before it changed.
_LOOKED_AT_SECONDS = 0.1
# Of one change the cloud tells several times: what comes so soon after the first is one hint.
_APART = timedelta(seconds=0.5)
_WORTH_SOMETHING = timedelta(seconds=30)
_MOST_HINTS = 10_000
_AT_ONCE = 200
# More desktops at rest than this are looked at by one list instead.
_SINGLY = 10
_REPORT_EVERY = timedelta(seconds=5)

_Subject = Row[str, str | None, datetime | None, str, str, int, datetime, datetime | None]


@dataclass(slots=True)
class _Hint:
    """``must_look``: somebody was at the server when it came, and it is not known whether they saw what it is about."""

    heard_at: datetime
    not_before: datetime
    must_look: bool = False


class NoticeKeeper:
    """One thread calls :meth:`round`, another one :meth:`compare`; several processes at once share the work."""

    def __init__(
        self,
        db: Database,
        cloud: Cloud,
        book: NoticeBook,
        reconciler: Reconciler,
        wake: Callable[[str], None],
        clock: Clock,
        settings: CloudSettings,
    ) -> None:
        self._db = db
        self._cloud = cloud
        self._book = book
        self._reconciler = reconciler
        self._wake = wake
        self._clock = clock
        self._two_lists = timedelta(seconds=3 * settings.poll_seconds)
        self._told_poll = timedelta(seconds=max(settings.poll_seconds, settings.told_poll_seconds))
        self._hints: dict[str, _Hint] = {}
        self._acted: dict[str, datetime] = {}
        self._tally = Tally()
        self._reported_at: datetime | None = None
        self._compared_at: datetime | None = None
        self._list_until = clock.now()

    def round(self, seconds: float = LISTEN_SECONDS) -> None:
        """Listen for at most so long, and see to what was heard. Raises Unavailable while nothing can be heard."""
        before = self._tally.failure is None, self._tally.heard_at is None
        try:
            heard = self._cloud.notices.listen(min(seconds, _LOOKED_AT_SECONDS) if self._hints else seconds)
            self._tally.failure = None
            self._note(heard)
        except YunzhuoError as error:
            self._tally.failure = error.message
            raise
        finally:
            self._act()
            self._report(at_once=before != (self._tally.failure is None, self._tally.heard_at is None))

    def compare(self) -> None:
        """A reconciler's round; while the cloud tells of changes by itself, only now and then, and when a server seems gone."""
        now = self._clock.now()
        was_lately = self._compared_at is not None and now - self._compared_at < self._told_poll
        if was_lately and now >= self._list_until and self._book.is_told():
            self._reconciler.look_for_ready()
            return
        self._reconciler.round()
        self._compared_at = now

    def leave(self) -> None:
        """This process listens no more."""
        self._book.leave()

    def _note(self, heard: Heard) -> None:
        now = self._clock.now()
        self._tally.received += heard.received
        self._tally.unreadable += heard.unreadable
        for notice in heard.notices:
            self._tally.heard_at = now
            if notice.sent_at is not None:
                self._tally.lag_seconds = max(0.0, (now - notice.sent_at).total_seconds())
            hint = self._hints.get(notice.server_id)
            if hint is not None:
                hint.heard_at = now
            elif len(self._hints) < _MOST_HINTS:
                acted = self._acted.get(notice.server_id)
                self._hints[notice.server_id] = _Hint(now, max(now, acted + _APART) if acted else now)

    def _act(self) -> None:
        now = self._clock.now()
        self._acted = {server_id: at for server_id, at in self._acted.items() if now - at < _APART}
        ripe = [server_id for server_id, hint in self._hints.items() if hint.not_before <= now]
        for start in range(0, len(ripe), _AT_ONCE):
            self._act_on(ripe[start : start + _AT_ONCE], now)

    def _act_on(self, server_ids: Sequence[str], now: datetime) -> None:
        with self._db.reading() as tx:
            subjects = list(tx.execute(_subjects(server_ids)))
        hints = {server_id: self._hints.pop(server_id) for server_id in server_ids}
        at_rest: list[_Subject] = []
        for subject in subjects:
            hint = hints[subject.server_id]
            self._tally.about_us += not hint.must_look
            if subject.lease_expires_at is not None and subject.lease_expires_at > now:
                self._keep(subject.server_id, hint, now)
            elif not hint.must_look and subject.observed_at is not None and subject.observed_at > hint.heard_at:
                continue  # somebody has looked since
            elif subject.status not in _ACTIVE:
                at_rest.append(subject)
            elif subject.status in _ADMITTED and subject.attempts == 0 and subject.due_at > now:
                self._hasten(subject, hint, now)
        self._look_at(at_rest, now)

    def _keep(self, server_id: str, hint: _Hint, now: datetime) -> None:
        if now - hint.heard_at < _WORTH_SOMETHING:
            hint.must_look, hint.not_before = True, now
            self._hints[server_id] = hint

    def _hasten(self, subject: _Subject, hint: _Hint, now: datetime) -> None:
        if self._made_due(subject.operation_id, now):
            self._tally.hastened += 1
            self._acted[subject.server_id] = now
        else:
            self._keep(subject.server_id, hint, now)

    @retried_when_contended
    def _made_due(self, operation_id: str, now: datetime) -> bool:
        """Whether the operation, at which nobody is, is due earlier by this; what is being retried keeps its own pace."""
        free = or_(Operation.lease_expires_at.is_(None), Operation.lease_expires_at <= now)
        waits = (Operation.status.in_(_ADMITTED), Operation.attempts == 0, Operation.due_at > now)
        with self._db.transaction() as tx:
            made = tx.execute(update(Operation).where(Operation.id == operation_id, *waits, free).values(due_at=now))
            if getattr(made, "rowcount", 0) != 1:
                return False
            tx.after_commit(lambda: self._wake(operation_id))
            return True

    def _look_at(self, at_rest: Sequence[_Subject], now: datetime) -> None:
        if not at_rest:
            return
        try:
            if len(at_rest) > _SINGLY:
                self._reconciler.round()
            else:
                for subject in at_rest:
                    if not self._reconciler.look_at(subject.desktop_id, subject.server_id):
                        self._list_until = now + self._two_lists
        except YunzhuoError as error:  # the next round over the whole list sees it
            log.warning("notice_not_followed", code=error.code, reason=error.message)
        self._tally.looked_at += len(at_rest)
        self._acted |= dict.fromkeys((subject.server_id for subject in at_rest), now)

    def _report(self, *, at_once: bool) -> None:
        now = self._clock.now()
        if at_once or self._reported_at is None or now - self._reported_at >= _REPORT_EVERY:
            self._book.report(self._tally)
            self._reported_at = now


def _subjects(
    server_ids: Sequence[str],
) -> Select[str, str | None, datetime | None, str, str, int, datetime, datetime | None]:
    return (
        select(
            Desktop.id.label("desktop_id"),
            Desktop.server_id,
            Desktop.observed_at,
            Operation.id.label("operation_id"),
            Operation.status,
            Operation.attempts,
            Operation.due_at,
            Operation.lease_expires_at,
        )
        .join(Operation, Operation.id == Desktop.operation_id)
        .where(Desktop.server_id.in_(server_ids), Desktop.deleted_at.is_(None))
    )
