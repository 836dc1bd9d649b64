"""Wrong passwords, counted in the database: per account, so that nobody guesses for long, and per client address, so
that nobody tries one password on everybody."""

from datetime import timedelta

from sqlalchemy import delete, func, select

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import TooManyAttempts
from yunzhuo.phoenix.config.settings import AccountSettings
from yunzhuo.phoenix.db.models import SignInFailure
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.phoenix.security.secrets import digest

_ACCOUNT, _CLIENT = "account", "client"


class AttemptCounter:
    """Counts failures in a sliding window. An address that has no account is counted like any other."""

    def __init__(self, db: Database, clock: Clock, settings: AccountSettings) -> None:
        self._db = db
        self._clock = clock
        self._settings = settings
        self._window = timedelta(seconds=settings.attempts_window_seconds)

    def check(self, email: str, client_address: str | None) -> None:
        """Raises TooManyAttempts when this account or this client has failed too often lately."""
        self._check(_ACCOUNT, _subject(email), self._settings.attempts_per_account)
        self.check_client(client_address)

    def check_client(self, client_address: str | None) -> None:
        """As :meth:`check`, for the client alone."""
        if client_address is not None:
            self._check(_CLIENT, digest(client_address), self._settings.attempts_per_client)

    @retried_when_contended
    def count(self, email: str, client_address: str | None) -> None:
        """One more failure."""
        now = self._clock.now()
        with self._db.transaction() as tx:
            tx.add(SignInFailure(scope=_ACCOUNT, subject_digest=_subject(email), at=now))
            if client_address is not None:
                tx.add(SignInFailure(scope=_CLIENT, subject_digest=digest(client_address), at=now))

    def forget(self, email: str) -> None:
        """The right password was given: the account starts anew. The client's count stays."""
        failures = (SignInFailure.scope == _ACCOUNT, SignInFailure.subject_digest == _subject(email))
        with self._db.reading() as tx:
            if tx.scalar(select(func.count()).where(*failures)) == 0:
                return
        with self._db.transaction() as tx:
            tx.execute(delete(SignInFailure).where(*failures))

    def forget_old(self) -> None:
        """Drop what no window reaches any more."""
        with self._db.transaction() as tx:
            tx.execute(delete(SignInFailure).where(SignInFailure.at < self._clock.now() - self._window))

    def _check(self, scope: str, subject: str, limit: int) -> None:
        since = self._clock.now() - self._window
        query = select(func.count(), func.min(SignInFailure.at)).where(
            SignInFailure.scope == scope, SignInFailure.subject_digest == subject, SignInFailure.at > since
        )
        with self._db.reading() as tx:
            failures, first = tx.execute(query).one()
        if failures >= limit:
            wait = (first + self._window - self._clock.now()).total_seconds()
            raise TooManyAttempts("Too many wrong passwords; please wait a while.", retry_after_seconds=max(1, round(wait)))


def _subject(email: str) -> str:
    return digest(email.strip().lower())
