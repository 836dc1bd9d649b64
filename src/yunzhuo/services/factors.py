"""Second factors: an authenticator app (TOTP, RFC 6238) and recovery codes; and which factors somebody has at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyotp
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import Passkey, RecoveryCode, TotpFactor, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.keyring import Keyring
from yunzhuo.phoenix.security.passwords import one_time_password
from yunzhuo.phoenix.security.secrets import digest
from yunzhuo.services.access import Actor
from yunzhuo.services.accounts import end_sign_ins
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.letter_words import Kind
from yunzhuo.services.mailing import Outbox
from yunzhuo.services.proofs import until
from yunzhuo.services.stated import needs
from yunzhuo.services.step_up import Proven
from yunzhuo.services.subordinates import found_person, require_no_more_rights

ISSUER = "Yunzhuo"
RECOVERY_CODES = 10
_SEAL = "totp"
_STEP_SECONDS = 30
# One step to each side: clocks differ, and typing takes its time (RFC 6238, section 5.2).
_STEPS = (0, -1, 1)
_MAX_CODE = 64


@dataclass(frozen=True, slots=True)
class FactorsView:
    """What proves somebody beside the password. ``totp_since`` None: no authenticator app."""

    totp_since: datetime | None
    recovery_codes_left: int
    passkeys: int


@dataclass(frozen=True, slots=True)
class TotpOffer:
    """What an authenticator app is given: the secret to be typed, or an address to be scanned as a QR code."""

    secret: str
    uri: str


class FactorService:
    """Gives, checks and takes away factors."""

    def __init__(self, db: Database, audit: AuditLog, outbox: Outbox, keys: Keyring, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._outbox = outbox
        self._keys = keys
        self._clock = clock

    @needs("account:read")
    def of(self, actor: Actor) -> FactorsView:
        """The actor's own factors."""
        with self._db.reading() as tx:
            return _factors(tx, actor.user_id)

    @needs("account:update")
    @retried_when_contended
    def offer_totp(self, actor: Actor, proven: Proven) -> TotpOffer:
        """A secret for an authenticator app; it counts once a code of it was given. Raises Conflict when there is an app."""
        proven.require(actor)
        secret, now = pyotp.random_base32(), self._clock.now()
        with self._db.transaction() as tx:
            factor = tx.get(TotpFactor, actor.user_id, with_for_update=True)
            if factor is not None and factor.confirmed_at is not None:
                raise Conflict("totp_exists", "There is an authenticator app already; remove it first.")
            if factor is None:
                factor = TotpFactor(user_id=actor.user_id)
                tx.add(factor)
            factor.sealed_secret, factor.last_counter, factor.created_at = self._keys.seal(_SEAL, secret), 0, now
        return _offer(actor, secret)

    @needs("account:update")
    def offered_totp(self, actor: Actor) -> TotpOffer | None:
        """The secret that was offered and not confirmed yet, to be shown again; None when there is none."""
        with self._db.reading() as tx:
            factor = tx.get(TotpFactor, actor.user_id)
            if factor is None or factor.confirmed_at is not None:
                return None
            return _offer(actor, self._keys.unseal(_SEAL, factor.sealed_secret))

    @needs("account:update")
    @retried_when_contended
    def confirm_totp(self, actor: Actor, proven: Proven, code: str) -> Sequence[str]:
        """The app counts from now on; answers recovery codes, told this once, when it is the first factor.

        Raises InvalidInput when the code is not the app's, Conflict when none was offered.
        """
        proven.require(actor)
        now = self._clock.now()
        with self._db.transaction() as tx:
            factor = tx.get(TotpFactor, actor.user_id, with_for_update=True)
            if factor is None or factor.confirmed_at is not None:
                raise Conflict("totp_not_offered", "There is no authenticator app to be confirmed.")
            if not self._accept_totp(tx, factor, _plain(code)):
                raise InvalidInput("The code is wrong.", fields={"code": "This is not the code that the app shows now."})
            factor.confirmed_at = now
            codes = self.factor_added(tx, actor.user_id)
            self.changed(tx, actor, "user:add_totp", actor.user_id)
        return codes

    @needs("account:update")
    @retried_when_contended
    def remove_totp(self, actor: Actor, proven: Proven) -> None:
        """The app counts no more. Twice is harmless."""
        proven.require(actor)
        with self._db.transaction() as tx:
            if getattr(tx.execute(delete(TotpFactor).where(TotpFactor.user_id == actor.user_id)), "rowcount", 0):
                self.factor_removed(tx, actor.user_id)
                self.changed(tx, actor, "user:remove_totp", actor.user_id)

    @needs("account:update")
    @retried_when_contended
    def new_recovery_codes(self, actor: Actor, proven: Proven) -> Sequence[str]:
        """New codes, told this once; the old ones are worthless. Raises Conflict when there is no factor to recover from."""
        proven.require(actor)
        with self._db.transaction() as tx:
            if not tx.get_one(User, actor.user_id).has_second_factor:
                raise Conflict("no_second_factor", "There is no second factor that these would stand in for.")
            codes = _new_codes(tx, actor.user_id)
            self.changed(tx, actor, "user:make_recovery_codes", actor.user_id)
        return codes

    @needs("user:reset_factors")
    @retried_when_contended
    def reset(self, actor: Actor, user_id: str) -> None:
        """Take all factors from somebody who has lost them; sessions and tokens end with that. Raises NotFound."""
        with self._db.transaction() as tx:
            user = found_person(tx, actor, user_id, "user:reset_factors")
            if user.id == actor.user_id:
                raise Conflict("own_account", "This cannot be done to one's own account; ask another administrator.")
            require_no_more_rights(tx, actor, user, "user:reset_factors", self._clock.now())
            remove_factors(tx, user)
            end_sign_ins(tx, user.id, self._clock.now())
            self.changed(tx, actor, "user:reset_factors", user.id)

    def accept_code(self, tx: Transaction, user_id: str, code: str) -> str | None:
        """Spend a code of the app or a recovery code; answers which (``totp``, ``recovery``), None when it is neither.

        No code counts twice, also of two requests at once.
        """
        plain = _plain(code)
        factor = tx.get(TotpFactor, user_id, with_for_update=True)
        if factor is not None and factor.confirmed_at is not None and self._accept_totp(tx, factor, plain):
            return "totp"
        spent = tx.execute(
            update(RecoveryCode)
            .where(RecoveryCode.user_id == user_id, RecoveryCode.code_digest == digest(plain), RecoveryCode.used_at.is_(None))
            .values(used_at=self._clock.now())
        )
        return "recovery" if getattr(spent, "rowcount", 0) == 1 else None

    def factor_added(self, tx: Transaction, user_id: str) -> Sequence[str]:
        """Somebody has a factor from now on; answers recovery codes unless there are some already."""
        user = tx.get_one(User, user_id)
        user.has_second_factor = True
        left = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
        return [] if tx.scalar(left) else _new_codes(tx, user_id)

    def factor_removed(self, tx: Transaction, user_id: str) -> None:
        """A factor is gone; with the last one the recovery codes are."""
        tx.flush()
        view = _factors(tx, user_id)
        if view.totp_since is None and not view.passkeys:
            remove_factors(tx, tx.get_one(User, user_id))

    def changed(self, tx: Transaction, actor: Actor, verb: str, user_id: str) -> None:
        """Put a change of factors on record, and tell the person by mail."""
        self._audit.record(tx, actor, verb, "user", user_id)
        user = tx.get_one(User, user_id)
        self._outbox.put(tx, Kind.FACTORS_CHANGED, user.email, user.language, {"at": until(self._clock.now())})

    def _accept_totp(self, tx: Transaction, factor: TotpFactor, code: str) -> bool:
        totp = pyotp.TOTP(self._keys.unseal(_SEAL, factor.sealed_secret))
        now = int(self._clock.now().timestamp()) // _STEP_SECONDS
        for counter in (now + step for step in _STEPS):
            if counter > factor.last_counter and pyotp.utils.strings_equal(totp.generate_otp(counter), code):
                taken = tx.execute(
                    update(TotpFactor)
                    .where(TotpFactor.user_id == factor.user_id, TotpFactor.last_counter < counter)
                    .values(last_counter=counter)
                )
                return getattr(taken, "rowcount", 0) == 1
        return False


def remove_factors(tx: Transaction, user: User) -> None:
    """Nothing but the password proves this person any more."""
    for table in (TotpFactor, RecoveryCode, Passkey):
        tx.execute(delete(table).where(table.user_id == user.id))
    user.has_second_factor = False


def _factors(tx: Session, user_id: str) -> FactorsView:
    factor = tx.get(TotpFactor, user_id)
    left = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    passkeys = select(func.count()).where(Passkey.user_id == user_id)
    return FactorsView(factor.confirmed_at if factor else None, tx.scalar(left) or 0, tx.scalar(passkeys) or 0)


def _new_codes(tx: Transaction, user_id: str) -> Sequence[str]:
    tx.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = [one_time_password(0) for _ in range(RECOVERY_CODES)]
    tx.add_all([RecoveryCode(id=new_id(), user_id=user_id, code_digest=digest(_plain(code))) for code in codes])
    return codes


def _offer(actor: Actor, secret: str) -> TotpOffer:
    return TotpOffer(secret, pyotp.TOTP(secret).provisioning_uri(name=actor.email, issuer_name=ISSUER))


def _plain(code: str) -> str:
    """A code as people type it, with spaces and hyphens, in capitals: none of that counts."""
    return "".join(character for character in code[:_MAX_CODE].lower() if character.isascii() and character.isalnum())
