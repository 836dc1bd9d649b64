"""What is done for leases in time: people are warned, desktops end, the bin is emptied."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, exists, func, select

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import YunzhuoError
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.models import ConsoleSession, Desktop, Operation, Organization, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.bin import BinService
from yunzhuo.services.changes import ChangeFeed, facts_of
from yunzhuo.services.lease_book import terms_for, terms_for_many
from yunzhuo.services.letter_words import Kind, OnScreen, on_screen
from yunzhuo.services.mailing import PATH_ARGUMENT, Outbox
from yunzhuo.services.rules import leases, lifecycle
from yunzhuo.services.rules.lifecycle import Action, Observed, State, Wanted
from yunzhuo.services.wishes import WishBook

log = get_logger()

AT_ONCE = 100
_UTC = "UTC"


class LeaseKeeper:
    """Looks after what ends. Any number of schedulers may: each change is decided again under the lock of the desktop's row."""

    def __init__(
        self,
        db: Database,
        cloud: Cloud,
        wishes: WishBook,
        bin_service: BinService,
        outbox: Outbox,
        feed: ChangeFeed,
        clock: Clock,
        *,
        language: str,
    ) -> None:
        self._db = db
        self._cloud = cloud
        self._wishes = wishes
        self._bin = bin_service
        self._outbox = outbox
        self._feed = feed
        self._clock = clock
        self._language = language

    def round(self) -> None:
        """Warn, end, empty the bin, and stop what still runs in it. What goes wrong with one desktop stops no other."""
        now = self._clock.now()
        for find, tend in (
            (self._to_warn, self._warn),
            (self._to_end, self._end),
            (self._to_empty, self._empty),
            (self._to_stop, self._stop),
        ):
            for desktop_id in find(now)[:AT_ONCE]:
                self._guarded(tend, desktop_id)

    def _guarded(self, tend: Callable[[str], None], desktop_id: str) -> None:
        try:
            tend(desktop_id)
        except YunzhuoError as error:
            log.warning("lease_not_tended", desktop_id=desktop_id, code=error.code, reason=error.message)

    def _to_warn(self, now: datetime) -> Sequence[str]:
        soon = now + timedelta(hours=leases.LONGEST_WARNING_HOURS)
        with self._db.reading() as tx:
            query = select(Desktop).where(*_living(), Desktop.ends_at <= soon).order_by(Desktop.ends_at)
            desktops = tx.scalars(query).all()
            terms = terms_for_many(tx, desktops)
            return [
                each.id
                for each in desktops
                if each.ends_at is not None
                and leases.warning_due(now, each.ends_at, terms[each.id], each.warned_hours) is not None
            ]

    def _to_end(self, now: datetime) -> Sequence[str]:
        with self._db.reading() as tx:
            over = (Desktop.ends_at <= now, Desktop.warned_at <= now - leases.NOTICE)
            is_being_repaired = func.coalesce(Desktop.observed_status, "") == Observed.RESCUED
            query = select(Desktop.id).where(*_living(), *over, Desktop.is_locked.is_(False), ~is_being_repaired)
            return list(tx.scalars(query.order_by(Desktop.ends_at)))

    def _to_empty(self, now: datetime) -> Sequence[str]:
        with self._db.reading() as tx:
            query = select(Desktop.id).where(*_binned(), Desktop.bin_until <= now, Desktop.wanted != Wanted.GONE)
            return list(tx.scalars(query.order_by(Desktop.bin_until)))

    def _to_stop(self, _now: datetime) -> Sequence[str]:
        """What was being changed when it went into the bin, and ended running."""
        is_changing = exists().where(Operation.active_desktop_id == Desktop.id)
        with self._db.reading() as tx:
            query = select(Desktop.id).where(
                *_binned(), Desktop.wanted != Wanted.GONE, Desktop.observed_status == Observed.RUNNING, ~is_changing
            )
            return list(tx.scalars(query))

    def _warn(self, desktop_id: str) -> None:
        told = self._written_down(desktop_id)
        if told is None:
            return
        server_id, text = told
        try:
            self._cloud.guest.message(server_id, text)
        except YunzhuoError as error:  # the letter and the pages say it, too
            log.info("warning_not_shown", desktop_id=desktop_id, code=error.code)

    @retried_when_contended
    def _written_down(self, desktop_id: str) -> tuple[str, str] | None:
        """Note the warning and send its letter; answers the server and the words for its screen, if somebody looks at it."""
        now = self._clock.now()
        with self._db.transaction() as tx:
            desktop, latest = _locked(tx, desktop_id)
            if desktop.ends_at is None or desktop.binned_at is not None or desktop.deleted_at is not None:
                return None
            stage = leases.warning_due(now, desktop.ends_at, terms_for(tx, desktop), desktop.warned_hours)
            if stage is None:
                return None
            desktop.warned_hours, desktop.warned_at = stage, desktop.warned_at or now
            owner = tx.get_one(User, desktop.owner_id)
            ends_at = max(desktop.ends_at, desktop.warned_at + leases.NOTICE)
            arguments = {"desktop": desktop.name, "until": for_person(ends_at, owner)}
            if owner.deleted_at is None:
                letter = {**arguments, PATH_ARGUMENT: f"/desktops/{desktop.id}/lease"}
                self._outbox.put(tx, Kind.DESKTOP_ENDING, owner.email, owner.language, letter)
            self._feed.desktop_changed(tx, desktop, latest)
            log.info("desktop_end_warned", desktop_id=desktop.id, hours=stage)
            is_seen = exists().where(ConsoleSession.desktop_id == desktop.id, ConsoleSession.ended_at.is_(None))
            if desktop.server_id is None or not tx.scalar(select(is_seen)):
                return None
            return desktop.server_id, on_screen(OnScreen.ENDING, owner.language or self._language, until=arguments["until"])

    @retried_when_contended
    def _end(self, desktop_id: str) -> None:
        now = self._clock.now()
        with self._db.transaction() as tx:
            desktop, latest = _locked(tx, desktop_id)
            is_there = desktop.binned_at is None and desktop.deleted_at is None and desktop.wanted != Wanted.GONE
            if not is_there or desktop.ends_at is None or not leases.has_ended(now, desktop.ends_at, desktop.warned_at):
                return
            actor, owner = _for(tx, desktop)
            binned = self._bin.put_within(tx, actor, desktop.id, ended=True)
            if binned is None:
                if Action.DELETE in lifecycle.allowed_actions(facts_of(desktop, latest)):
                    self._wishes.change(tx, actor, desktop.id, Action.DELETE)
                return
            if owner.deleted_at is None and desktop.bin_until is not None:
                arguments = {"desktop": desktop.name, "until": for_person(desktop.bin_until, owner), PATH_ARGUMENT: "/bin"}
                self._outbox.put(tx, Kind.DESKTOP_ENDED, owner.email, owner.language, arguments)

    @retried_when_contended
    def _empty(self, desktop_id: str) -> None:
        with self._db.transaction() as tx:
            desktop, latest = _locked(tx, desktop_id)
            is_over = desktop.bin_until is not None and desktop.bin_until <= self._clock.now()
            if is_over and lifecycle.state(facts_of(desktop, latest)) is State.BINNED:
                self._wishes.change(tx, _for(tx, desktop)[0], desktop.id, Action.DELETE)

    @retried_when_contended
    def _stop(self, desktop_id: str) -> None:
        with self._db.transaction() as tx:
            desktop, latest = _locked(tx, desktop_id)
            if desktop.binned_at is not None and desktop.wanted != Wanted.GONE:
                latest = self._wishes.put_to_rest(tx, _for(tx, desktop)[0], desktop, latest)
                self._feed.desktop_changed(tx, desktop, latest)


def _living() -> tuple[ColumnElement[bool], ...]:
    """Desktops that are somebody's and not on their way out, of organizations that are not disabled."""
    enabled = select(Organization.id).where(Organization.disabled_at.is_(None))
    return (
        Desktop.deleted_at.is_(None),
        Desktop.binned_at.is_(None),
        Desktop.wanted != Wanted.GONE,
        Desktop.organization_id.in_(enabled),
    )


def _binned() -> tuple[ColumnElement[bool], ...]:
    return Desktop.binned_at.is_not(None), Desktop.deleted_at.is_(None), Desktop.is_locked.is_(False)


def _locked(tx: Transaction, desktop_id: str) -> tuple[Desktop, Operation]:
    desktop = tx.get_one(Desktop, desktop_id, with_for_update=True)
    return desktop, tx.get_one(Operation, desktop.operation_id)


def _for(tx: Transaction, desktop: Desktop) -> tuple[Actor, User]:
    """What the installation itself does has no person behind it; its operations are the owner's then."""
    owner = tx.get_one(User, desktop.owner_id)
    return Actor(owner.id, desktop.organization_id, owner.email, Role.ADMINISTRATOR), owner


def for_person(moment: datetime, owner: User) -> str:
    """A time as its person reads it: by the clocks of their zone, which is named."""
    zone = owner.time_zone or _UTC
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"
