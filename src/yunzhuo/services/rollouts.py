"""Roll-outs as administrators ask for them: another image for a pool, a share at a time, with pauses and a way back."""

from collections.abc import Mapping
from dataclasses import asdict

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import Desktop, Pool, PoolRollout
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services import fitting, rollout_book
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.rollout_book import RolloutView
from yunzhuo.services.rules.rollouts import Pace, RolloutStatus, RolloutVerb
from yunzhuo.services.stated import needs

_VERB = "pool:roll_out"
_REASONS: Mapping[RolloutVerb, str] = {
    RolloutVerb.PAUSE: "Only a roll-out that goes on can be paused.",
    RolloutVerb.RESUME: "Only a roll-out that is paused or has stopped can go on.",
    RolloutVerb.ADVANCE: "There is no further stage, or the roll-out does not go on.",
    RolloutVerb.BACK: "There is no way back from where this roll-out is.",
}


class RolloutService:
    """What administrators do with roll-outs. All methods raise NotFound."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    @needs("pool:read")
    def get(self, actor: Actor, pool_id: str) -> RolloutView | None:
        """The pool's latest roll-out, going on or ended; None: there never was one."""
        with self._db.reading() as tx:
            pool = _pool(tx, actor, pool_id, "pool:read")
            rollout = rollout_book.latest(tx, pool.id)
            return rollout_book.view_of(tx, pool, rollout) if rollout is not None else None

    @needs(_VERB)
    @retried_when_contended
    def start(self, actor: Actor, pool_id: str, image_id: str, pace: Pace) -> RolloutView:
        """Begin to bring a pool to another image.

        Raises InvalidInput, and Conflict while another one goes on; one that only waits for people to give back what they have
        ends with this.
        """
        checked, now = pace.checked(), self._clock.now()
        try:
            with self._db.transaction() as tx:
                pool = _pool(tx, actor, pool_id, _VERB, locked=True)
                self._close(tx, pool)
                if image_id == pool.image_id:
                    raise InvalidInput("The roll-out is not valid.", fields={"image": "The pool has this image already."})
                fitting.image_and_flavor(tx, actor, image_id, pool.flavor_id)
                rollout = PoolRollout(
                    id=new_id(),
                    pool_id=pool.id,
                    open_pool_id=pool.id,
                    from_image_id=pool.image_id,
                    to_image_id=image_id,
                    is_back=False,
                    status=RolloutStatus.RUNNING,
                    stage=0,
                    counted_from=now,
                    started_at=now,
                    **{**asdict(checked), "stages": list(checked.stages)},
                )
                tx.add(rollout)
                pool.rolling_image_id, pool.failures, pool.problem = image_id, 0, None
                after = {**asdict(checked), "stages": list(checked.stages), "image": image_id}
                self._audit.record(tx, actor, _VERB, "pool", pool.id, before={"image": pool.image_id}, after=after)
                tx.flush()
                return rollout_book.view_of(tx, pool, rollout)
        except IntegrityError as error:
            raise _goes_on() from error

    @needs(_VERB)
    @retried_when_contended
    def pause(self, actor: Actor, pool_id: str) -> RolloutView:
        """Change nothing more; what has begun comes to its end, and what is made from then on is of the image before.
        Raises Conflict."""
        with self._db.transaction() as tx:
            return self._say(tx, actor, pool_id, RolloutVerb.PAUSE, {"status": RolloutStatus.PAUSED})

    @needs(_VERB)
    @retried_when_contended
    def resume(self, actor: Actor, pool_id: str) -> RolloutView:
        """Go on after a pause, or after it stopped by itself: failures are counted anew. Raises Conflict."""
        anew = {"status": RolloutStatus.RUNNING, "counted_from": self._clock.now(), "problem": None}
        with self._db.transaction() as tx:
            return self._say(tx, actor, pool_id, RolloutVerb.RESUME, anew)

    @needs(_VERB)
    @retried_when_contended
    def advance(self, actor: Actor, pool_id: str, from_stage: int) -> RolloutView:
        """Go on to the stage after ``from_stage``, whether all of that is done or not; said twice, the first counts. Raises
        Conflict when it stands at another one, or at the last."""
        with self._db.transaction() as tx:
            return self._say(tx, actor, pool_id, RolloutVerb.ADVANCE, {"stage": from_stage + 1}, from_stage=from_stage)

    @needs(_VERB)
    @retried_when_contended
    def back(self, actor: Actor, pool_id: str) -> RolloutView:
        """Bring the pool back to the image that it had before, also from a roll-out that is done. Raises Conflict when there
        is no way back, InvalidInput when that image is gone."""
        now = self._clock.now()
        back = {
            "status": RolloutStatus.RUNNING,
            "is_back": True,
            "counted_from": now,
            "proven_at": now,  # the pool ran with it
            "problem": None,
            "ended_at": None,
            "open_pool_id": pool_id,
        }
        try:
            with self._db.transaction() as tx:
                return self._say(tx, actor, pool_id, RolloutVerb.BACK, back)
        except IntegrityError as error:
            raise _goes_on() from error

    def _say(
        self,
        tx: Transaction,
        actor: Actor,
        pool_id: str,
        verb: RolloutVerb,
        values: Mapping[str, object],
        *,
        from_stage: int | None = None,
    ) -> RolloutView:
        """Change the pool's latest roll-out, if it is where the verb means something still."""
        pool = _pool(tx, actor, pool_id, _VERB, locked=True)
        rollout = rollout_book.latest(tx, pool.id)
        if rollout is None:
            raise NotFound("rollout_not_found", "This pool has no roll-out.", verb=_VERB)
        before = rollout_book.view_of(tx, pool, rollout)
        where = [PoolRollout.id == rollout.id, PoolRollout.status == before.status, PoolRollout.is_back == before.is_back]
        if from_stage is not None:
            where.append(PoolRollout.stage == from_stage)
        if verb is RolloutVerb.BACK and verb in before.verbs:
            fitting.image_and_flavor(tx, actor, rollout.from_image_id, pool.flavor_id)
            pool.image_id, pool.rolling_image_id = rollout.from_image_id, rollout.to_image_id
            pool.failures, pool.problem = 0, None
            forget_notices(tx, pool.id)
        changed = tx.execute(update(PoolRollout).where(*where).values(**values)) if verb in before.verbs else None
        if getattr(changed, "rowcount", 0) != 1:
            raise Conflict("rollout_not_there", _REASONS[verb], status=before.status, stage=before.stage)
        tx.flush()
        tx.refresh(rollout)
        view = rollout_book.view_of(tx, pool, rollout)
        told = {"status", "stage", "is_back"}
        self._audit.record(
            tx,
            actor,
            _VERB,
            "pool",
            pool.id,
            before={name: value for name, value in asdict(before).items() if name in told},
            after={"asked": verb, **{name: value for name, value in asdict(view).items() if name in told}},
        )
        return view

    def _close(self, tx: Transaction, pool: Pool) -> None:
        """End a roll-out that waits for people only, so that the next one may begin."""
        rollout = rollout_book.open_in(tx, pool)
        if rollout is None:
            return
        if not rollout_book.gives_way(rollout, rollout_book.standing(tx, pool, rollout)):
            raise _goes_on()
        finish(tx, pool, rollout, self._clock)


def finish(tx: Transaction, pool: Pool, rollout: PoolRollout, clock: Clock) -> None:
    """Let a roll-out be done: from then on the pool is what it led to."""
    pool.image_id, pool.rolling_image_id = rollout_book.target_of(rollout), None
    rollout.status, rollout.open_pool_id, rollout.ended_at = RolloutStatus.DONE, None, clock.now()
    forget_notices(tx, pool.id)
    tx.flush()


def forget_notices(tx: Transaction, pool_id: str) -> None:
    """What people were told to come does not."""
    tx.execute(update(Desktop).where(Desktop.pool_id == pool_id, Desktop.renews_at.is_not(None)).values(renews_at=None))


def _pool(tx: Session, actor: Actor, pool_id: str, verb: str, *, locked: bool = False) -> Pool:
    query = select(Pool).where(Pool.id == pool_id, Pool.organization_id == actor.organization_id)
    pool = tx.scalar(query.with_for_update() if locked else query)
    if pool is None:
        raise NotFound("pool_not_found", "There is no such pool.", verb=verb)
    return pool


def _goes_on() -> Conflict:
    return Conflict("rollout_goes_on", "Another roll-out goes on in this pool; let it end, or go back first.")
