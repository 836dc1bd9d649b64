"""What is done for roll-outs in time: looked at as often as pools are, decided again under the lock of the pool's row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select
from sqlalchemy.orm import Session, aliased

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, Refused
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.models import ConsoleSession, Desktop, Image, Operation, Pool, PoolRollout, Ticket, User
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.services import fitting, rollout_book
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.letter_words import Kind as LetterKind
from yunzhuo.services.mailing import PATH_ARGUMENT, Outbox
from yunzhuo.services.own_accounts import acting_as
from yunzhuo.services.rollout_book import Standing
from yunzhuo.services.rollouts import finish
from yunzhuo.services.rules import pools, rollouts
from yunzhuo.services.rules.lifecycle import Action, Observed, OperationStatus, Wanted
from yunzhuo.services.rules.pools import Kind
from yunzhuo.services.rules.rollouts import Moves, RolloutStatus
from yunzhuo.services.wishes import WishBook

log = get_logger()

_UTC = "UTC"


@dataclass(frozen=True, slots=True)
class Sight:
    """What is to be done for a pool in which a roll-out is open.

    ``stops`` is why it stops by itself (None: it does not). ``idle`` people's desktops may be put onto the new image,
    ``untold`` people have to be told first, ``broken`` of the desktops are put back to the image before.
    """

    rollout: PoolRollout
    standing: Standing
    moves: Moves
    becomes_proven: bool = False
    stops: str | None = None
    ends: bool = False
    idle: Sequence[str] = ()
    untold: Sequence[str] = ()
    broken: Sequence[str] = ()

    @property
    def wants_something(self) -> bool:
        """Whether a round would change something."""
        is_to_change = self.moves != Moves() or self.untold or self.broken
        return bool(is_to_change or self.becomes_proven or self.stops or self.ends)


class RolloutKeeper:
    """Looks after the open roll-outs, for whoever looks after the pools."""

    def __init__(self, wishes: WishBook, outbox: Outbox, audit: AuditLog, clock: Clock) -> None:
        self._wishes = wishes
        self._outbox = outbox
        self._audit = audit
        self._clock = clock

    def look(self, tx: Session, pool: Pool, wanted: int, *, at_once: int) -> Sight | None:
        """What is to be done so that ``wanted`` spares stand ready and the roll-out goes on; None: the pool has none open."""
        rollout = rollout_book.open_in(tx, pool)
        if rollout is None:
            return None
        now = rollout_book.standing(tx, pool, rollout)
        if rollout.status != RolloutStatus.RUNNING:
            is_bad = rollout.status == RolloutStatus.STOPPED
            broken = _broken(tx, pool, rollout) if is_bad else ()
            return Sight(rollout, now, _at_rest(wanted, pool.capacity, now, at_once, is_bad=is_bad), broken=broken)
        was_made, failures, problem = rollout_book.tried(tx, pool, rollout)
        if failures >= rollout.most_failures:
            why = problem or "The new desktops cannot be made."
            return Sight(rollout, now, _at_rest(wanted, pool.capacity, now, at_once, is_bad=True), stops=why)
        idle, untold = self._people(tx, pool, rollout, now, failures)
        moves = rollouts.moves(wanted, pool.capacity, now.new, now.old, now.bounds, idle=len(idle), at_once=at_once)
        return Sight(
            rollout,
            now,
            moves,
            becomes_proven=was_made and rollout.proven_at is None,
            ends=rollouts.is_done(now.new, now.old, now.bounds, is_last=now.is_last),
            idle=idle[: moves.rebuild],
            untold=untold,
        )

    def tend(self, tx: Transaction, pool: Pool, sight: Sight) -> None:
        """Do for the roll-out itself and for people's desktops what is to be done; spares are the pool's matter."""
        rollout, now = sight.rollout, self._clock.now()
        if sight.stops is not None:
            self.stop(tx, pool, rollout, sight.stops)
        if sight.becomes_proven:
            rollout.proven_at = now
        for desktop_id in sight.untold:
            self._tell(tx, rollout, desktop_id, now)
        for desktop_id in sight.idle:
            self._rebuild(tx, pool, desktop_id, rollout_book.target_of(rollout))
        for desktop_id in sight.broken:
            self._rebuild(tx, pool, desktop_id, pool.image_id)
        if sight.ends:
            finish(tx, pool, rollout, self._clock)
            log.info("rollout_done", pool_id=pool.id, is_back=rollout.is_back)

    def stop(self, tx: Transaction, pool: Pool, rollout: PoolRollout, why: str) -> None:
        """Let a roll-out stop by itself, and say why."""
        rollout.status, rollout.problem = RolloutStatus.STOPPED, why[:1000]
        after = {"status": RolloutStatus.STOPPED, "why": rollout.problem}
        actor = acting_as(tx.get_one(User, pool.account_id))
        self._audit.record(tx, actor, "pool:roll_out", "pool", pool.id, before={"status": RolloutStatus.RUNNING}, after=after)
        log.warning("rollout_stopped", pool_id=pool.id, reason=why)

    def _people(
        self, tx: Session, pool: Pool, rollout: PoolRollout, now: Standing, failures: int
    ) -> tuple[Sequence[str], Sequence[str]]:
        """Whose desktops may be put onto the new image now, and who has to be told first. What is floating is replaced when it
        is given back."""
        if pool.kind != Kind.DEDICATED:
            return (), ()
        moment = self._clock.now()
        query = (
            select(Desktop.id)
            .join(Operation, Operation.id == Desktop.operation_id)
            .where(Desktop.pool_id == pool.id, Desktop.claimant_id.is_not(None), Desktop.deleted_at.is_(None))
            .where(Desktop.wanted != Wanted.GONE, not_(rollout_book.is_new(rollout)))
            .order_by(Desktop.claimed_at, Desktop.id)
        )
        is_ours = and_(Operation.action == Action.REBUILD, Operation.user_id == pool.account_id)
        told = Desktop.renews_at.is_not(None)
        known = tx.scalar(query.where(told).with_only_columns(func.count()).order_by(None)) or 0
        room = max(0, now.bounds.level - now.new.in_use - known)
        untold = tx.scalars(query.where(~told, ~is_ours).limit(room)).all() if room else ()
        again = moment - pools.pause_after(failures)
        is_due = or_(
            and_(Desktop.renews_at <= moment, _is_left_alone(moment)),
            and_(is_ours, Operation.status == OperationStatus.FAILED, Operation.ended_at <= again),
        )
        return tx.scalars(query.where(is_due).limit(now.bounds.at_once)).all(), untold

    def _tell(self, tx: Transaction, rollout: PoolRollout, desktop_id: str, now: datetime) -> None:
        desktop = tx.get_one(Desktop, desktop_id, with_for_update=True)
        if desktop.claimant_id is None or desktop.wanted == Wanted.GONE:
            return
        desktop.renews_at = now + timedelta(hours=rollout.notice_hours)
        owner = tx.get_one(User, desktop.owner_id)
        if owner.deleted_at is None:
            zone = owner.time_zone or _UTC
            letter = {
                "desktop": desktop.name,
                "image": tx.get_one(Image, rollout_book.target_of(rollout)).name,
                "from": f"{desktop.renews_at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})",
                PATH_ARGUMENT: f"/desktops/{desktop.id}",
            }
            self._outbox.put(tx, LetterKind.DESKTOP_RENEWING, owner.email, owner.language, letter)
        log.info("desktop_renewal_told", desktop_id=desktop.id)

    def _rebuild(self, tx: Transaction, pool: Pool, desktop_id: str, image_id: str) -> None:
        """Put somebody's desktop onto an image; whoever came to it since it was looked at keeps it as it is."""
        now = self._clock.now()

        def choose(desktop: Desktop) -> dict[str, str]:
            # Its row is held now, as by whoever opens its screen.
            latest = tx.get_one(Operation, desktop.operation_id)
            is_broken = latest.action == Action.REBUILD and latest.status == OperationStatus.FAILED
            if not is_broken and tx.scalar(select(Desktop.id).where(Desktop.id == desktop.id, _is_left_alone(now))) is None:
                raise Conflict("desktop_in_use", "Somebody uses this desktop.")
            return {"image": fitting.image_to_rebuild_from(tx, desktop, image_id).id}

        try:
            self._wishes.change(tx, acting_as(tx.get_one(User, pool.account_id)), desktop_id, Action.REBUILD, choose)
        except Refused as error:
            log.info("desktop_not_renewed", desktop_id=desktop_id, code=error.code)
        else:
            tx.get_one(Desktop, desktop_id).renews_at = None


def _at_rest(wanted: int, capacity: int, now: Standing, at_once: int, *, is_bad: bool) -> Moves:
    """While a roll-out rests the pool is looked after as ever: spares of both images serve, what is built is of the one before.
    What is too many is of the new one where that ``is_bad``, else of the one before."""
    plan = pools.plan(wanted, capacity, now.new + now.old, at_once=at_once)
    new_coming, new_ready = (
        min(count, new) if is_bad else max(0, count - old)
        for count, new, old in (
            (plan.remove_coming, now.new.coming, now.old.coming),
            (plan.remove_ready, now.new.ready, now.old.ready),
        )
    )
    return Moves(
        build_old=plan.build,
        remove_new_coming=new_coming,
        remove_new_ready=new_ready,
        remove_old_coming=plan.remove_coming - new_coming,
        remove_old_ready=plan.remove_ready - new_ready,
    )


def _is_left_alone(now: datetime) -> ColumnElement[bool]:
    """Whether a desktop is in nobody's hands: no screen of it is open, was lately, or may be opened with a ticket that is out,
    it was not just given to somebody, and nothing is done to it."""
    since = now - rollouts.IDLE
    lately = or_(ConsoleSession.ended_at.is_(None), ConsoleSession.ended_at > since)
    active = aliased(Operation)
    return and_(
        Desktop.claimed_at <= since,
        Desktop.observed_status.in_([Observed.RUNNING, Observed.STOPPED]),
        ~exists().where(ConsoleSession.desktop_id == Desktop.id, lately),
        ~exists().where(Ticket.desktop_id == Desktop.id, Ticket.expires_at > now),
        ~exists().where(active.active_desktop_id == Desktop.id),
    )


def _broken(tx: Session, pool: Pool, rollout: PoolRollout) -> Sequence[str]:
    """People's desktops that could not be put onto the new image, and were not put back yet."""
    query = (
        select(Desktop.id, Operation.arguments)
        .join(Operation, Operation.id == Desktop.operation_id)
        .where(Desktop.pool_id == pool.id, Desktop.claimant_id.is_not(None), Desktop.deleted_at.is_(None))
        .where(Operation.action == Action.REBUILD, Operation.user_id == pool.account_id)
        .where(Operation.status == OperationStatus.FAILED)
        .order_by(Desktop.id)
    )
    target = rollout_book.target_of(rollout)
    is_forward = not rollout.is_back
    return [desktop_id for desktop_id, arguments in tx.execute(query) if is_forward and arguments.get("image") == target]
