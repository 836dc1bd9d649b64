"""What is done about idle desktops in time: their people are told, screens are closed, desktops switched off or suspended."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from sqlalchemy import update

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Refused, YunzhuoError
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.models import ConsoleSession, Desktop, Operation, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services import agent_book, idle_facts
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import ChangeFeed
from yunzhuo.services.idle_facts import Seen
from yunzhuo.services.lease_upkeep import for_person
from yunzhuo.services.letter_words import Kind, OnScreen, on_screen
from yunzhuo.services.loads import Load, LoadReader, told_by
from yunzhuo.services.mailing import PATH_ARGUMENT, Outbox
from yunzhuo.services.rules import idle
from yunzhuo.services.rules.idle import Cause, Idle, IdleDeed, Move
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.services.wishes import WishBook

log = get_logger()

END_REASON = "idle"
# How many desktops are told or dealt with in a round.
AT_ONCE = 50
# How long before something is due its guest is looked at: two looks have to fit.
_LOOK_AHEAD = timedelta(minutes=2)
_ACTIONS = {IdleDeed.STOP: Action.STOP, IdleDeed.SUSPEND: Action.SUSPEND}


class IdleKeeper:
    """Looks after what nobody uses. Any number of schedulers may: each move is decided again with the desktop's row locked."""

    def __init__(
        self,
        db: Database,
        cloud: Cloud,
        wishes: WishBook,
        outbox: Outbox,
        feed: ChangeFeed,
        audit: AuditLog,
        clock: Clock,
        *,
        language: str,
    ) -> None:
        self._db = db
        self._cloud = cloud
        self._loads = LoadReader(cloud, clock)
        self._wishes = wishes
        self._outbox = outbox
        self._feed = feed
        self._audit = audit
        self._clock = clock
        self._language = language

    def round(self) -> None:
        """Look at all that rules hold for. What goes wrong with one desktop stops no other."""
        now = self._clock.now()
        with self._db.reading() as tx:
            found = idle_facts.seen(tx, now)
            agents = agent_book.of_desktops(tx, [one.desktop_id for one in found if one.terms.busy_percent is not None])
        self._loads.forget({one.server_id for one in found if one.server_id})
        done = 0
        for one in found:
            is_due = idle.move(now, one.facts, one.terms, one.warned) is not None
            if one.terms.busy_percent is not None and (is_due or idle_facts.is_near(now, one, _LOOK_AHEAD)):
                is_due = self._guarded(one, partial(self._is_quiet, told_by(agents.get(one.desktop_id), now))) and is_due
            if is_due and done < AT_ONCE:
                self._guarded(one, self._tend)
                done += 1

    def _guarded(self, one: Seen, deed: Callable[[Seen], bool]) -> bool:
        try:
            return deed(one)
        except YunzhuoError as error:
            log.warning("idle_not_tended", desktop_id=one.desktop_id, code=error.code, reason=error.message)
            return False

    def _is_quiet(self, told: Load | None, one: Seen) -> bool:
        """Whether the guest does nothing, as far as anybody can say; when it works that is noted, and all starts anew."""
        load = told or self._loads.read(one.server_id or "", one.vcpus)
        if idle.is_busy(load.percent, one.terms):
            self._note_busy(one.desktop_id)
            return True  # what was told is to be called off
        return not load.is_coming

    @retried_when_contended
    def _note_busy(self, desktop_id: str) -> None:
        with self._db.transaction() as tx:
            tx.execute(update(Desktop).where(Desktop.id == desktop_id).values(busy_at=self._clock.now()))

    def _tend(self, one: Seen) -> bool:
        told = self._moved(one.desktop_id)
        if told is not None:
            server_id, words = told
            try:
                self._cloud.guest.message(server_id, words)
            except YunzhuoError as error:  # the page says it, too
                log.info("warning_not_shown", desktop_id=one.desktop_id, code=error.code)
        return True

    @retried_when_contended
    def _moved(self, desktop_id: str) -> tuple[str, str] | None:
        """Make the move that is due, if one still is; answers the server and the words for its screen, if somebody is there."""
        now = self._clock.now()
        with self._db.transaction() as tx:
            desktop = tx.get_one(Desktop, desktop_id, with_for_update=True)
            one = next(iter(idle_facts.seen(tx, now, desktop_id)), None)
            move = idle.move(now, one.facts, one.terms, one.warned) if one is not None else None
            if one is None or move is None:
                return None
            latest, owner = tx.get_one(Operation, desktop.operation_id), tx.get_one(User, desktop.owner_id)
            match move:
                case Move.WARN, Idle() as found:
                    desktop.idle_cause, desktop.idle_warned_at = found.cause, now
                    desktop.idle_ends_at = now + timedelta(minutes=one.terms.notice_minutes)
                    told = self._warned(tx, desktop, owner, found)
                case Move.ACT, Idle() as found:
                    _forget(desktop)
                    self._act(tx, desktop, owner, found)
                    return None
                case _:
                    _forget(desktop)
                    told = None
            self._feed.desktop_changed(tx, desktop, latest)
            return told

    def _warned(self, tx: Transaction, desktop: Desktop, owner: User, found: Idle) -> tuple[str, str] | None:
        until = for_person(desktop.idle_ends_at or self._clock.now(), owner)
        log.info("desktop_idle", desktop_id=desktop.id, cause=found.cause, deed=found.deed)
        if found.cause is Cause.DISCONNECTED:
            letter = {"desktop": desktop.name, "until": until, PATH_ARGUMENT: "/"}
            self._outbox.put(tx, Kind.DESKTOP_IDLE, owner.email, owner.language, letter)
            return None
        what = OnScreen.SCREEN_IDLE if found.deed is IdleDeed.END_SCREEN else OnScreen.IDLE
        words = on_screen(what, owner.language or self._language, until=until)
        return (desktop.server_id, words) if desktop.server_id is not None else None

    def _act(self, tx: Transaction, desktop: Desktop, owner: User, found: Idle) -> None:
        log.info("desktop_idle_ended", desktop_id=desktop.id, cause=found.cause, deed=found.deed)
        after = {"why": END_REASON, "cause": found.cause}
        if found.deed is IdleDeed.END_SCREEN:
            is_open = (ConsoleSession.desktop_id == desktop.id, ConsoleSession.ended_at.is_(None))
            is_left = ConsoleSession.withdrawn_reason.is_(None)
            tx.execute(update(ConsoleSession).where(*is_open, is_left).values(withdrawn_reason=END_REASON))
            verb = "screen:end"
        else:
            verb = f"desktop:{_ACTIONS[found.deed]}"
            actor = Actor(owner.id, desktop.organization_id, owner.email, Role.ADMINISTRATOR)
            try:
                self._wishes.change(tx, actor, desktop.id, _ACTIONS[found.deed])
            except Refused as error:
                log.warning("idle_not_ended", desktop_id=desktop.id, code=error.code, reason=error.message)
                return
        organization = desktop.organization_id
        self._audit.record(tx, None, verb, "desktop", desktop.id, organization_id=organization, owner_id=owner.id, after=after)


def _forget(desktop: Desktop) -> None:
    desktop.idle_cause = desktop.idle_warned_at = desktop.idle_ends_at = None
