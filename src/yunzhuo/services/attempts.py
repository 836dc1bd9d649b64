"""Wrong passwords, counted in the database: per account, so that nobody guesses for long, and per client address, so
that nobody tries one password on everybody. A browser that its owner has used before is counted by itself: strangers who
guess do not keep the owner out, and whoever took the browser guesses no more than they."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, func, select

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import TooManyAttempts
from yunzhuo.phoenix.config.people_settings import AccountSettings
from yunzhuo.phoenix.db.models import SignInFailure
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.secrets import digest

_ACCOUNT, _CLIENT, _DEVICE, _LETTER = "account", "client", "device", "letter"
_Place = tuple[str, str]


class AttemptCounter:
    """Counts failures in a sliding window. An address that has no account is counted like any other.

    ``device`` is the word of a known browser's mark for this very account; None: a stranger's.
    """

    def __init__(self, db: Database, clock: Clock, settings: AccountSettings) -> None:
        self._db = db
        self._clock = clock
        self._settings = settings
        self._window = timedelta(seconds=settings.attempts_window_seconds)

    def check(self, email: str, client_address: str | None, *, device: str | None = None) -> None:
        """Raises TooManyAttempts when this account or this client has failed too often lately."""
        self._check(_guesser(email, device), self._settings.attempts_per_account)
        if device is None:
            self.check_client(client_address)

    def check_client(self, client_address: str | None) -> None:
        """As :meth:`check`, for the client alone."""
        if client_address is not None:
            self._check((_CLIENT, digest(client_address)), self._settings.attempts_per_client)

    def check_letter(self, email: str, client_address: str | None) -> None:
        """Raises TooManyAttempts when strangers have had too many letters sent to this address lately."""
        self._check((_LETTER, _subject(email)), self._settings.mails_per_address)
        self.check_client(client_address)

    @retried_when_contended
    def count(self, email: str, client_address: str | None, *, device: str | None = None) -> None:
        """One more failure."""
        with self._db.transaction() as tx:
            self.count_within(tx, email, client_address, device=device)

    def count_within(self, tx: Transaction, email: str, client_address: str | None, *, device: str | None = None) -> None:
        """One more failure, as part of ``tx``."""
        client = [] if client_address is None else [(_CLIENT, digest(client_address))]
        self._note(tx, [_guesser(email, device), *client])

    def count_letter_within(self, tx: Transaction, email: str, client_address: str | None) -> None:
        """One more letter that a stranger has had sent to this address."""
        client = [] if client_address is None else [(_CLIENT, digest(client_address))]
        self._note(tx, [(_LETTER, _subject(email)), *client])

    @retried_when_contended
    def forget(self, email: str, *, device: str | None = None) -> None:
        """The right password was given: whoever gave it starts anew. The client's count stays."""
        scope, subject = _guesser(email, device)
        failures = (SignInFailure.scope == scope, SignInFailure.subject_digest == subject)
        with self._db.reading() as tx:
            if tx.scalar(select(func.count()).where(*failures)) == 0:
                return
        with self._db.transaction() as tx:
            tx.execute(delete(SignInFailure).where(*failures))

    @retried_when_contended
    def forget_old(self) -> None:
        """Drop what no window reaches any more."""
        with self._db.transaction() as tx:
            tx.execute(delete(SignInFailure).where(SignInFailure.at < self._clock.now() - self._window))

    def _note(self, tx: Transaction, places: Sequence[_Place]) -> None:
        now = self._clock.now()
        tx.add_all([SignInFailure(scope=scope, subject_digest=subject, at=now) for scope, subject in places])

    def _check(self, place: _Place, limit: int) -> None:
        scope, subject = place
        since = self._clock.now() - self._window
        query = select(func.count(), func.min(SignInFailure.at)).where(
            SignInFailure.scope == scope, SignInFailure.subject_digest == subject, SignInFailure.at > since
        )
        with self._db.reading() as tx:
            failures, first = tx.execute(query).one()
        if failures >= limit:
            wait = (first + self._window - self._clock.now()).total_seconds()
            raise TooManyAttempts("Too many wrong passwords; please wait a while.", retry_after_seconds=max(1, round(wait)))


def _guesser(email: str, device: str | None) -> _Place:
    if device is None:
        return _ACCOUNT, _subject(email)
    return _DEVICE, digest(f"{email.strip().lower()}|{device}")


def _subject(email: str) -> str:
    return digest(email.strip().lower())
