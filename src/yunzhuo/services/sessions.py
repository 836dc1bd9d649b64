"""Being signed in: browser sessions, who looks at them, and who ends them; and the history of sign-ins."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, or_, select, update

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import NotFound, NotSignedIn
from yunzhuo.phoenix.common.ids import new_id, new_secret
from yunzhuo.phoenix.config.people_settings import AccountSettings
from yunzhuo.phoenix.db.models import AuthSession, SignIn, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.secrets import digest
from yunzhuo.services.access import Actor
from yunzhuo.services.accounts import Granted, UserView, Views, access_ended, end_sign_ins, is_let_in, let_in_among
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.stated import needs
from yunzhuo.services.subordinates import found_person, require_no_more_rights

AWAITING_SECONDS = 600
_SEEN_EVERY = timedelta(minutes=5)
_KEEP_SIGN_INS = timedelta(days=180)
_MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Browser:
    """What a browser says of itself, and the marks of accounts that have come in with it (see :mod:`devices`)."""

    user_agent: str | None = None
    marks: str = ""


UNKNOWN_BROWSER = Browser()


@dataclass(frozen=True, slots=True)
class SessionView:
    """One browser that is signed in. ``is_present`` marks the one that asks."""

    id: str
    client_address: str
    user_agent: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_remembered: bool
    is_present: bool


@dataclass(frozen=True, slots=True)
class SignInView:
    """One try to come in: ``method`` (password, totp, recovery, passkey, token) and ``outcome`` (done or what was wrong)."""

    at: datetime
    method: str
    outcome: str
    client_address: str | None
    user_agent: str | None


class SessionService:
    """Keeps browser sessions. The truth is a row; the browser carries its secret."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock, settings: AccountSettings, views: Views) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._settings = settings
        self._views = views
        self._idle = timedelta(seconds=settings.idle_seconds)
        self._seen_every = min(_SEEN_EVERY, self._idle / 4) if self._idle else _SEEN_EVERY

    def begin(
        self,
        tx: Transaction,
        user: UserView,
        *,
        client_address: str,
        browser: Browser,
        remember: bool,
        awaits_factor: bool = False,
    ) -> Granted:
        """A new session for somebody who has proved who they are, or half of it (``awaits_factor``)."""
        secret, now = new_secret(), self._clock.now()
        seconds = self._settings.remembered_seconds if remember else self._settings.session_seconds
        expires_at = now + timedelta(seconds=AWAITING_SECONDS if awaits_factor else seconds)
        session = AuthSession(
            id=new_id(),
            organization_id=user.organization_id,
            user_id=user.id,
            secret_digest=digest(secret),
            client_address=client_address,
            user_agent=browser.user_agent,
            awaits_factor=awaits_factor,
            is_remembered=remember,
            wrong_factors=0,
            created_at=now,
            last_seen_at=now,
            expires_at=expires_at,
        )
        tx.add(session)
        if not awaits_factor:
            self._audit.record(tx, user.actor(client_address=client_address), "session:create", "session", session.id)
        return Granted(secret, expires_at, user, awaits_factor=awaits_factor, is_remembered=remember)

    @retried_when_contended
    def user(self, secret: str) -> UserView:
        """Whose session this is. Raises NotSignedIn when it ended, awaits a factor, or its user was disabled."""
        now = self._clock.now()
        query = (
            select(User, AuthSession.id, AuthSession.last_seen_at)
            .join(AuthSession, AuthSession.user_id == User.id)
            .where(AuthSession.secret_digest == digest(secret), AuthSession.awaits_factor.is_(False), *self._open(now))
        )
        with self._db.reading() as tx:
            found = tx.execute(query).one_or_none()
            if found is None or not is_let_in(tx, found[0]):
                raise NotSignedIn("not_signed_in", "Please sign in.")
            view, session_id, seen_at = self._views.of(found[0]), found[1], found[2]
        if seen_at is None or now - seen_at >= self._seen_every:
            with self._db.transaction() as writing:
                writing.execute(update(AuthSession).where(AuthSession.id == session_id).values(last_seen_at=now))
        return view

    @retried_when_contended
    def users(self, secrets: Collection[str]) -> Mapping[str, UserView]:
        """Whose sessions these are, as :meth:`user` would say, by secret, without noting that they were seen. What does not
        count is left out."""
        query = (
            select(AuthSession.secret_digest, User)
            .join(AuthSession, AuthSession.user_id == User.id)
            .where(AuthSession.awaits_factor.is_(False), *self._open(self._clock.now()))
        )
        found = let_in_among(self._db, query, AuthSession.secret_digest, secrets)
        return {secret: self._views.of(row[1]) for secret, row in found}

    @retried_when_contended
    def sign_out(self, secret: str) -> None:
        """End a browser session; one that is not there is no error."""
        with self._db.transaction() as tx:
            tx.execute(
                update(AuthSession)
                .where(AuthSession.secret_digest == digest(secret), AuthSession.ended_at.is_(None))
                .values(ended_at=self._clock.now())
            )

    @needs("session:read")
    def list(self, actor: Actor, *, present: str | None = None) -> Sequence[SessionView]:
        """The actor's own open sessions, the one used last first; ``present`` is the secret of the one that asks."""
        return self._of(actor.user_id, present)

    @needs("user:read_sign_ins")
    def list_of(self, actor: Actor, user_id: str) -> Sequence[SessionView]:
        """Somebody else's, for administrators. Raises NotFound."""
        with self._db.reading() as tx:
            found_person(tx, actor, user_id, "user:read_sign_ins")
        return self._of(user_id, None)

    @needs("session:end")
    def end(self, actor: Actor, session_id: str) -> None:
        """End one of the actor's own sessions. Raises NotFound."""
        self._end(actor, actor.user_id, session_id)

    @needs("user:end_sessions")
    def end_of(self, actor: Actor, user_id: str, session_id: str) -> None:
        """End one of somebody else's, for administrators. Raises NotFound."""
        with self._db.reading() as tx:
            user = found_person(tx, actor, user_id, "user:end_sessions")
            require_no_more_rights(tx, actor, user, "user:end_sessions", self._clock.now())
        self._end(actor, user_id, session_id)

    @needs("session:end")
    @retried_when_contended
    def end_others(self, actor: Actor, *, present: str | None = None) -> int:
        """End all of the actor's own sessions but the present one, and say how many."""
        with self._db.transaction() as tx:
            return self._end_all(tx, actor, actor.user_id, keep=present)

    @needs("user:end_sessions")
    @retried_when_contended
    def end_all_of(self, actor: Actor, user_id: str) -> int:
        """Sign somebody out everywhere: sessions and tokens. Raises NotFound."""
        with self._db.transaction() as tx:
            user = found_person(tx, actor, user_id, "user:end_sessions")
            require_no_more_rights(tx, actor, user, "user:end_sessions", self._clock.now())
            ended = self._end_all(tx, actor, user.id, keep=None)
            end_sign_ins(tx, user.id, self._clock.now())
            return ended

    @needs("session:read")
    def history(self, actor: Actor, *, limit: int = 50) -> Sequence[SignInView]:
        """The tries to come in by the actor's own account, the newest first."""
        return self._history(actor.user_id, limit)

    @needs("user:read_sign_ins")
    def history_of(self, actor: Actor, user_id: str, *, limit: int = 50) -> Sequence[SignInView]:
        """Somebody else's, for administrators. Raises NotFound."""
        with self._db.reading() as tx:
            found_person(tx, actor, user_id, "user:read_sign_ins")
        return self._history(user_id, limit)

    def note(
        self,
        tx: Transaction,
        user_id: str | None,
        method: str,
        outcome: str,
        *,
        client_address: str | None,
        browser: Browser = UNKNOWN_BROWSER,
    ) -> None:
        """Write a try into the history, whoever's it was."""
        tx.add(
            SignIn(
                user_id=user_id,
                method=method,
                outcome=outcome,
                client_address=client_address,
                user_agent=browser.user_agent,
                at=self._clock.now(),
            )
        )

    @retried_when_contended
    def forget_old(self) -> None:
        """Drop tries older than half a year."""
        with self._db.transaction() as tx:
            tx.execute(delete(SignIn).where(SignIn.at < self._clock.now() - _KEEP_SIGN_INS))

    def _open(self, now: datetime) -> Sequence[ColumnElement[bool]]:
        """What is true of a session that counts: not ended, not over, and used lately enough."""
        conditions: list[ColumnElement[bool]] = [AuthSession.ended_at.is_(None), AuthSession.expires_at > now]
        if self._idle:
            used_at = func.coalesce(AuthSession.last_seen_at, AuthSession.created_at)
            conditions.append(or_(AuthSession.is_remembered, used_at > now - self._idle))
        return conditions

    def _of(self, user_id: str, present: str | None) -> Sequence[SessionView]:
        present_digest = digest(present) if present else ""
        query = select(AuthSession).where(
            AuthSession.user_id == user_id, AuthSession.awaits_factor.is_(False), *self._open(self._clock.now())
        )
        with self._db.reading() as tx:
            views = [_view(row, is_present=row.secret_digest == present_digest) for row in tx.scalars(query)]
        return sorted(views, key=lambda view: view.last_seen_at, reverse=True)

    @retried_when_contended
    def _end(self, actor: Actor, user_id: str, session_id: str) -> None:
        with self._db.transaction() as tx:
            ended = tx.execute(
                update(AuthSession)
                .where(AuthSession.id == session_id, AuthSession.user_id == user_id, AuthSession.ended_at.is_(None))
                .values(ended_at=self._clock.now())
            )
            if getattr(ended, "rowcount", 0) != 1:
                raise NotFound("session_not_found", "There is no such session.")
            access_ended(tx, user_id, self._clock.now())
            self._audit.record(tx, actor, "session:end", "session", session_id)

    def _end_all(self, tx: Transaction, actor: Actor, user_id: str, *, keep: str | None) -> int:
        query = update(AuthSession).where(AuthSession.user_id == user_id, AuthSession.ended_at.is_(None))
        if keep is not None:
            query = query.where(AuthSession.secret_digest != digest(keep))
        ended = int(getattr(tx.execute(query.values(ended_at=self._clock.now())), "rowcount", 0))
        access_ended(tx, user_id, self._clock.now())
        self._audit.record(tx, actor, "session:end_all", "user", user_id, after={"ended": ended})
        return ended

    def _history(self, user_id: str, limit: int) -> Sequence[SignInView]:
        query = select(SignIn).where(SignIn.user_id == user_id).order_by(SignIn.at.desc(), SignIn.id.desc())
        with self._db.reading() as tx:
            rows = tx.scalars(query.limit(min(max(limit, 1), _MAX_SHOWN)))
            return [SignInView(row.at, row.method, row.outcome, row.client_address, row.user_agent) for row in rows]


def _view(row: AuthSession, *, is_present: bool) -> SessionView:
    return SessionView(
        id=row.id,
        client_address=row.client_address,
        user_agent=row.user_agent,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at or row.created_at,
        expires_at=row.expires_at,
        is_remembered=row.is_remembered,
        is_present=is_present,
    )
