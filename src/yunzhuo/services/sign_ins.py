"""Coming in: by password, then by a second factor where there is one; or by a passkey alone, which is both."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import InvalidInput, NotSignedIn
from yunzhuo.phoenix.db.models import AuthSession, Organization, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.passwords import Passwords
from yunzhuo.phoenix.security.secrets import digest
from yunzhuo.services.accounts import MAX_PASSWORD, Granted, UserView, Views, folded_email, is_let_in
from yunzhuo.services.attempts import AttemptCounter
from yunzhuo.services.devices import KnownDevices
from yunzhuo.services.factors import FactorService
from yunzhuo.services.passkeys import PasskeyService
from yunzhuo.services.sessions import UNKNOWN_BROWSER, Browser, SessionService

WRONG_CREDENTIALS = "The address or the password is wrong."
_WRONG_FACTORS = 5
# No address contains a space: counted apart from wrong passwords, so that neither hides the other.
_FACTOR_SUBJECT = "factor of "


@dataclass(frozen=True, slots=True)
class _Halfway:
    """Somebody whose password was right and whose factor is awaited."""

    session_id: str
    user: UserView
    is_remembered: bool


class SignInService:
    """Lets people in. What is wrong is never told: same words and same work for every reason."""

    def __init__(
        self,
        db: Database,
        sessions: SessionService,
        factors: FactorService,
        passkeys: PasskeyService,
        attempts: AttemptCounter,
        devices: KnownDevices,
        passwords: Passwords,
        views: Views,
        clock: Clock,
    ) -> None:
        self._db = db
        self._sessions = sessions
        self._factors = factors
        self._passkeys = passkeys
        self._attempts = attempts
        self._devices = devices
        self._passwords = passwords
        self._views = views
        self._clock = clock

    @retried_when_contended
    def sign_in(
        self,
        email: str,
        password: str,
        *,
        client_address: str,
        browser: Browser = UNKNOWN_BROWSER,
        remember: bool = False,
    ) -> Granted:
        """Begin a browser session, or one that awaits the second factor. Raises NotSignedIn, TooManyAttempts."""
        user = self.verified(email, password, client_address=client_address, browser=browser)
        with self._db.transaction() as tx:
            outcome = "awaits_factor" if user.has_second_factor else "done"
            self._sessions.note(tx, user.id, "password", outcome, client_address=client_address, browser=browser)
            return self._sessions.begin(
                tx,
                user,
                client_address=client_address,
                browser=browser,
                remember=remember,
                awaits_factor=user.has_second_factor,
            )

    @retried_when_contended
    def finish_with_code(self, secret: str, code: str, *, client_address: str, browser: Browser = UNKNOWN_BROWSER) -> Granted:
        """Give the second factor of a session that awaits it: a code of the app or a recovery code.

        Raises InvalidInput for a wrong one, NotSignedIn when the session is over (also after five wrong ones),
        TooManyAttempts.
        """
        halfway = self._halfway(secret)
        user, device = halfway.user, self._devices.word(browser.marks, halfway.user.id)
        self._attempts.check(_FACTOR_SUBJECT + user.email, client_address, device=device)
        with self._db.transaction() as tx:
            method = self._factors.accept_code(tx, user.id, code)
            if method is not None:
                return self._finish(tx, halfway, method, client_address, browser)
            self._attempts.count_within(tx, _FACTOR_SUBJECT + user.email, client_address, device=device)
            self._sessions.note(tx, user.id, "code", "wrong_factor", client_address=client_address, browser=browser)
            session = tx.get_one(AuthSession, halfway.session_id, with_for_update=True)
            session.wrong_factors += 1
            if session.wrong_factors >= _WRONG_FACTORS:
                session.ended_at = self._clock.now()
        raise InvalidInput("The code is wrong.", fields={"code": "This is none of the codes that count now."})

    def offer_passkey(self, secret: str | None = None) -> str:
        """What the browser's authenticator is to sign (JSON): as the second factor of a session that awaits it, else alone.

        Raises NotSignedIn when that session is over, NotOffered where passkeys cannot work.
        """
        return self._passkeys.offer_sign_in(self._halfway(secret).user.id if secret else None)

    @retried_when_contended
    def finish_with_passkey(
        self, secret: str, credential: str, *, client_address: str, browser: Browser = UNKNOWN_BROWSER
    ) -> Granted:
        """Give a passkey as the second factor of a session that awaits it. Raises as :meth:`finish_with_code`."""
        halfway = self._halfway(secret)
        with self._db.transaction() as tx:
            self._passkeys.accept(tx, credential, user_id=halfway.user.id)
            return self._finish(tx, halfway, "passkey", client_address, browser)

    @retried_when_contended
    def sign_in_with_passkey(
        self, credential: str, *, client_address: str, browser: Browser = UNKNOWN_BROWSER, remember: bool = False
    ) -> Granted:
        """Begin a session by a passkey alone, whose owner its device has verified. Raises InvalidInput, NotSignedIn."""
        self._attempts.check_client(client_address)
        with self._db.transaction() as tx:
            user_id = self._passkeys.accept(tx, credential, user_id=None)
            row = tx.get_one(User, user_id)
            if not is_let_in(tx, row):
                raise NotSignedIn("wrong_credentials", WRONG_CREDENTIALS)
            self._sessions.note(tx, user_id, "passkey", "done", client_address=client_address, browser=browser)
            return self._sessions.begin(
                tx, self._views.of(row), client_address=client_address, browser=browser, remember=remember
            )

    def marked(self, marks: str, user_id: str) -> str:
        """What a browser is to carry from now on, so that strangers who guess do not keep this person out of it."""
        return self._devices.marked(marks, user_id)

    def verified(self, email: str, password: str, *, client_address: str, browser: Browser = UNKNOWN_BROWSER) -> UserView:
        """Whose address and password these are. Raises NotSignedIn, TooManyAttempts.

        Known or unknown, disabled or not: the same questions to the database, one hash, the same rows written. Only the few
        columns that are needed are read before it is known who it is: a whole person more would be seen in the time.
        """
        address = folded_email(email)  # counted as it is kept: there are many ways to write one address
        lets_in = and_(User.disabled_at.is_(None), Organization.disabled_at.is_(None), User.is_service.is_(False))
        query = select(User.id, User.password_hash, lets_in).join(Organization, Organization.id == User.organization_id)
        with self._db.reading() as tx:
            row = tx.execute(query.where(User.email == address)).one_or_none()
        user_id, password_hash, may_enter = row or (None, "", False)
        device = self._devices.word(browser.marks, user_id or "")
        self._attempts.check(address, client_address, device=device)
        password_hash = password_hash or self._passwords.nobodys_hash
        fits = self._passwords.fits(password_hash, password[: MAX_PASSWORD + 1])
        if user_id is None or not fits or not may_enter:
            self._note_wrong(user_id, address, client_address, device, browser)
            raise NotSignedIn("wrong_credentials", WRONG_CREDENTIALS)
        self._attempts.forget(address, device=device)
        if self._passwords.needs_rehash(password_hash):
            self._keep_hash(user_id, self._passwords.hash(password))
        with self._db.reading() as tx:
            return self._views.of(tx.get_one(User, user_id))

    @retried_when_contended
    def _note_wrong(self, user_id: str | None, address: str, client_address: str, device: str | None, browser: Browser) -> None:
        with self._db.transaction() as tx:
            self._attempts.count_within(tx, address, client_address, device=device)
            self._sessions.note(tx, user_id, "password", "wrong_password", client_address=client_address, browser=browser)

    @retried_when_contended
    def _keep_hash(self, user_id: str, password_hash: str) -> None:
        with self._db.transaction() as tx:
            tx.get_one(User, user_id).password_hash = password_hash

    @retried_when_contended
    def accept_code(self, user: UserView, code: str, *, client_address: str) -> None:
        """Spend a code for somebody who has just given their password. Raises NotSignedIn, TooManyAttempts."""
        self._attempts.check(_FACTOR_SUBJECT + user.email, client_address)
        with self._db.transaction() as tx:
            method = self._factors.accept_code(tx, user.id, code)
            if method is None:
                self._attempts.count_within(tx, _FACTOR_SUBJECT + user.email, client_address)
                self._sessions.note(tx, user.id, "token", "wrong_factor", client_address=client_address)
        if method is None:
            raise NotSignedIn("wrong_code", "The code is wrong.")

    def _halfway(self, secret: str) -> _Halfway:
        with self._db.reading() as tx:
            found = _awaiting(tx, secret, self._clock.now())
            if found is None:
                raise NotSignedIn("sign_in_expired", "Please give your password again.")
            session, user = found
            return _Halfway(session.id, self._views.of(user), session.is_remembered)

    def _finish(self, tx: Transaction, halfway: _Halfway, method: str, client_address: str, browser: Browser) -> Granted:
        now = self._clock.now()
        ended = tx.execute(
            update(AuthSession).where(AuthSession.id == halfway.session_id, AuthSession.ended_at.is_(None)).values(ended_at=now)
        )
        if getattr(ended, "rowcount", 0) != 1:
            raise NotSignedIn("sign_in_expired", "Please give your password again.")
        self._sessions.note(tx, halfway.user.id, method, "done", client_address=client_address, browser=browser)
        return self._sessions.begin(
            tx, halfway.user, client_address=client_address, browser=browser, remember=halfway.is_remembered
        )


def _awaiting(tx: Session, secret: str, now: datetime) -> tuple[AuthSession, User] | None:
    query = (
        select(AuthSession, User)
        .join(User, User.id == AuthSession.user_id)
        .join(Organization, Organization.id == User.organization_id)
        .where(
            AuthSession.secret_digest == digest(secret),
            AuthSession.awaits_factor.is_(True),
            AuthSession.ended_at.is_(None),
            AuthSession.expires_at > now,
            User.disabled_at.is_(None),
            Organization.disabled_at.is_(None),
        )
    )
    found = tx.execute(query).one_or_none()
    return (found[0], found[1]) if found else None
