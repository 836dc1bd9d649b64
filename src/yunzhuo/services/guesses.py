"""Who guesses at passwords: found in the history of sign-ins, told to administrators (log, audit) and to the owner (mail).

Looked at by a timer and not while somebody signs in: what only known accounts cause would be seen in an answer's time.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.people_settings import AccountSettings
from yunzhuo.phoenix.db.models import AuditEntry, SignIn, User
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.letter_words import Kind
from yunzhuo.services.mailing import Outbox

log = get_logger()

_ACCOUNT_VERB = "user:guessed_at"
_CLIENT_VERB = "client:guesses"


class GuessWatch:
    """Reports what is above the limits, once in a window."""

    def __init__(self, db: Database, audit: AuditLog, outbox: Outbox, clock: Clock, settings: AccountSettings) -> None:
        self._db = db
        self._audit = audit
        self._outbox = outbox
        self._clock = clock
        self._settings = settings

    def report(self, organization_id: str) -> int:
        """Look once, and say how many reports were made. What belongs to no account goes to this organization."""
        since = self._clock.now() - timedelta(seconds=self._settings.attempts_window_seconds)
        return self._report_accounts(since) + self._report_clients(since, organization_id)

    @retried_when_contended
    def _report_accounts(self, since: datetime) -> int:
        wrong = (SignIn.outcome.in_(("wrong_password", "wrong_factor")), SignIn.at > since, SignIn.user_id.is_not(None))
        query = select(SignIn.user_id, func.count(), func.count(SignIn.client_address.distinct())).where(*wrong)
        query = query.group_by(SignIn.user_id).having(func.count() >= self._settings.attempts_per_account)
        reports = 0
        with self._db.transaction() as tx:
            for user_id, count, clients in tx.execute(query).all():
                user = tx.get_one(User, user_id)
                if user.deleted_at is not None or _reported(tx, _ACCOUNT_VERB, since, AuditEntry.object_id == user_id):
                    continue
                told: dict[str, object] = {"wrong": count, "addresses": clients}
                organization_id = user.organization_id
                self._audit.record(
                    tx, None, _ACCOUNT_VERB, "user", user_id, organization_id=organization_id, outcome="refused", after=told
                )
                self._outbox.put(tx, Kind.GUESSED_AT, user.email, user.language, {"count": str(count)})
                log.warning("account_guessed_at", user_id=user_id, wrong=count, clients=clients)
                reports += 1
        return reports

    @retried_when_contended
    def _report_clients(self, since: datetime, organization_id: str) -> int:
        wrong = (SignIn.outcome.in_(("wrong_password", "wrong_factor")), SignIn.at > since, SignIn.client_address.is_not(None))
        query = select(SignIn.client_address, func.count()).where(*wrong).group_by(SignIn.client_address)
        query = query.having(func.count() >= self._settings.attempts_per_client)
        reports = 0
        with self._db.transaction() as tx:
            for client_address, count in tx.execute(query).all():
                if _reported(tx, _CLIENT_VERB, since, AuditEntry.after["client_address"].as_string() == client_address):
                    continue
                told: dict[str, object] = {"client_address": client_address, "wrong": count}
                self._audit.record(
                    tx, None, _CLIENT_VERB, "client", None, organization_id=organization_id, outcome="refused", after=told
                )
                log.warning("client_guesses", client_address=client_address, wrong=count)
                reports += 1
        return reports


def _reported(tx: Session, verb: str, since: datetime, *which: ColumnElement[bool]) -> bool:
    query = select(func.count()).where(AuditEntry.verb == verb, AuditEntry.at > since, *which)
    return bool(tx.scalar(query))
