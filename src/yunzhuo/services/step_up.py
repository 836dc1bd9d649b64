"""Proving oneself again: what changes the proofs of a person asks for their password first, however they are signed in."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput, NotSignedIn
from yunzhuo.phoenix.common.ids import new_secret
from yunzhuo.phoenix.config.people_settings import AccountSettings
from yunzhuo.phoenix.db.models import AuthSession, ConsoleSession, Ticket, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.passwords import Passwords
from yunzhuo.phoenix.security.secrets import digest
from yunzhuo.services.access import Actor, require
from yunzhuo.services.attempts import AttemptCounter
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.stated import needs

# No address contains a space. Counted apart from signing in: strangers who guess there keep nobody from it who is in already.
_SUBJECT = "again by "


@dataclass(frozen=True, slots=True)
class Proven:
    """Somebody has just given their password. Only :class:`StepUp` makes one, for that person and this request."""

    user_id: str

    def require(self, actor: Actor) -> None:
        """Raises Forbidden when it was somebody else who gave it."""
        require(actor, "account:update")
        if self.user_id != actor.user_id:
            raise _needed()


class StepUp:
    """Asks for passwords."""

    def __init__(
        self,
        db: Database,
        attempts: AttemptCounter,
        audit: AuditLog,
        clock: Clock,
        settings: AccountSettings,
        passwords: Passwords,
    ) -> None:
        self._db = db
        self._attempts = attempts
        self._audit = audit
        self._clock = clock
        self._settings = settings
        self._passwords = passwords

    @needs("account:update", "account:change_password")
    def by_password(self, actor: Actor, password: str, *, field: str = "password") -> Proven:
        """Raises InvalidInput when it is not the actor's, TooManyAttempts."""
        self._attempts.check(_SUBJECT + actor.email, None)
        with self._db.reading() as tx:
            password_hash = tx.get_one(User, actor.user_id).password_hash
        if not self._passwords.fits(password_hash, password):
            self._attempts.count(_SUBJECT + actor.email, None)
            raise InvalidInput("The password is wrong.", fields={field: "This is not your present password."})
        return Proven(actor.user_id)

    @needs("account:update")
    @retried_when_contended
    def for_session(self, actor: Actor, password: str, session_secret: str) -> str:
        """The same, remembered for this session for a while. It goes on under the secret that is answered."""
        self.by_password(actor, password)
        with self._db.transaction() as tx:
            secret = renewed(tx, session_secret)
            tx.execute(
                update(AuthSession)
                .where(AuthSession.secret_digest == digest(secret), AuthSession.user_id == actor.user_id)
                .values(proved_at=self._clock.now())
            )
        return secret

    @needs("account:update")
    def of_session(self, actor: Actor, session_secret: str) -> Proven:
        """What the session remembers. Raises Forbidden (``password_needed``) when that is nothing, or too long ago."""
        since = self._clock.now() - timedelta(seconds=self._settings.step_up_seconds)
        query = select(AuthSession.id).where(
            AuthSession.secret_digest == digest(session_secret),
            AuthSession.user_id == actor.user_id,
            AuthSession.ended_at.is_(None),
            AuthSession.proved_at > since,
        )
        with self._db.reading() as tx:
            if tx.scalar(query) is None:
                raise _needed()
        return Proven(actor.user_id)


def renewed(tx: Transaction, session_secret: str) -> str:
    """Let a session go on under a new secret, which is answered: whoever has a copy of the old one is left behind. Its screens
    stay its own, and end with it.

    Raises NotSignedIn where there is no such session, or somebody was quicker.
    """
    secret, old = new_secret(), digest(session_secret)
    going_on = update(AuthSession).where(AuthSession.secret_digest == old, AuthSession.ended_at.is_(None))
    if getattr(tx.execute(going_on.values(secret_digest=digest(secret))), "rowcount", 0) != 1:
        raise NotSignedIn("not_signed_in", "Please sign in.")
    for kind in (Ticket, ConsoleSession):
        tx.execute(update(kind).where(kind.sign_in_digest == old).values(sign_in_digest=digest(secret)))
    return secret


def _needed() -> Forbidden:
    question = Forbidden("password_needed", "Give your password again first.")
    question.is_on_record = True  # nothing was refused: whoever asks is asked back
    return question
