"""The outbox: letters are written in the transaction that is their reason, and sent by a job, again and again if need be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, select, update

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Refused, Unavailable, YunzhuoError
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.models import EmailProof, OutgoingMail, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.mail import Mailer
from yunzhuo.phoenix.queue import Queue
from yunzhuo.phoenix.security.keyring import Keyring
from yunzhuo.services import letters
from yunzhuo.services.letter_words import Kind

log = get_logger()

SEND_JOB = "mail.send"
PROOF_ARGUMENT = "proof"
# Where the letter's link leads, where that is no proof's page; else to where people sign in.
PATH_ARGUMENT = "path"
KEEP = timedelta(days=7)
_LEASE = timedelta(seconds=120)
_FIRST_RETRY = timedelta(seconds=30)
_LONGEST_RETRY = timedelta(hours=1)
_GIVE_UP_AFTER = timedelta(days=2)
# Where the link of a letter leads; it carries the proof's secret.
_PATHS: Mapping[Kind, str] = {
    Kind.REGISTER: "/welcome",
    Kind.INVITATION: "/welcome",
    Kind.RESET: "/reset",
    Kind.CHANGE_ADDRESS: "/confirm-address",
}
# For these whoever writes does not look whether there is an account: the answer's time would tell. The letter's job looks.
_FOR_ACCOUNTS = frozenset({Kind.RESET})
_FOR_STRANGERS = frozenset({Kind.REGISTER})


class MailStatus(StrEnum):
    """How far a letter is. ``dropped``: there was nobody to send it to, and nobody was told so."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Due:
    """A letter that this process may try to send now."""

    id: str
    kind: Kind
    recipient: str
    language: str
    arguments: Mapping[str, str]
    created_at: datetime
    attempts: int


class Outbox:
    """Keeps letters until they are sent."""

    def __init__(
        self, db: Database, mailer: Mailer, queue: Queue, keys: Keyring, clock: Clock, *, public_url: str, language: str
    ) -> None:
        self._db = db
        self._mailer = mailer
        self._queue = queue
        self._keys = keys
        self._clock = clock
        self._public_url = public_url
        self._language = language

    @property
    def sends(self) -> bool:
        """Whether letters can be sent at all: without a server nothing is to wait for one."""
        return self._mailer.is_configured

    def put(
        self, tx: Transaction, kind: Kind, recipient: str, language: str | None, arguments: Mapping[str, str] | None = None
    ) -> None:
        """Let a letter go out once ``tx`` is committed; ``language`` None: the installation's. Without a mail server nothing is
        written."""
        if not self.sends:
            return
        now = self._clock.now()
        mail_id = new_id()
        tx.add(
            OutgoingMail(
                id=mail_id,
                kind=kind,
                recipient=recipient,
                language=language or self._language,
                arguments=dict(arguments or {}),
                status=MailStatus.WAITING,
                attempts=0,
                due_at=now,
                created_at=now,
            )
        )
        tx.after_commit(lambda: self._queue.send(SEND_JOB, mail_id))

    def secret_of(self, proof_id: str) -> str:
        """The secret of a link: made from its proof's id with the installation's key, so that it is kept nowhere."""
        return self._keys.mark("email-proof", proof_id)

    def link(self, kind: Kind, proof_id: str) -> str:
        """The address that a letter's link leads to: this installation's own, whatever a request said."""
        return f"{self._public_url}{_PATHS[kind]}?proof={self.secret_of(proof_id)}"

    def send(self, mail_id: str) -> None:
        """Try to send one letter if it is due and nobody else is at it. Twice is harmless."""
        due = self.claim(mail_id)
        if due is None:
            return
        kind = self._still_to_send(due)
        if kind is None:
            self._end(due, MailStatus.DROPPED)
            return
        try:
            letter = letters.write(kind, due.language, due.arguments, self._link_of(kind, due))
            self._mailer.send(due.recipient, letter, language=due.language, message_id=due.id)
        except Refused as error:
            self._end(due, MailStatus.FAILED, error)
        except Unavailable as error:
            self._try_later(due, error)
        else:
            self._end(due, MailStatus.SENT)

    def due(self, *, limit: int = 100) -> Sequence[str]:
        """Ids of the letters to be tried now, the longest waiting first."""
        query = select(OutgoingMail.id).where(
            OutgoingMail.status == MailStatus.WAITING, OutgoingMail.due_at <= self._clock.now()
        )
        with self._db.reading() as tx:
            return list(tx.scalars(query.order_by(OutgoingMail.due_at).limit(limit)))

    def wake_due(self) -> None:
        """Ask for the jobs of all letters that are due: for those whose message got lost, and for second tries."""
        for mail_id in self.due():
            self._queue.send(SEND_JOB, mail_id)

    def send_now(self, recipient: str, language: str) -> None:
        """Send the letter that shows that sending works. Raises what :class:`Mailer` raises."""
        self._mailer.send(recipient, letters.write(Kind.TEST, language, {}, None), language=language, message_id=new_id())

    @retried_when_contended
    def forget_old(self) -> None:
        """Drop letters that ended a week ago: they say who was written to."""
        with self._db.transaction() as tx:
            tx.execute(delete(OutgoingMail).where(OutgoingMail.ended_at < self._clock.now() - KEEP))

    @retried_when_contended
    def claim(self, mail_id: str) -> Due | None:
        """Take a letter to try to send it; None when it is not due, or when another worker is at it."""
        now = self._clock.now()
        with self._db.transaction() as tx:
            taken = tx.execute(
                update(OutgoingMail)
                .where(OutgoingMail.id == mail_id, OutgoingMail.status == MailStatus.WAITING, OutgoingMail.due_at <= now)
                .values(due_at=now + _LEASE, attempts=OutgoingMail.attempts + 1)
            )
            if getattr(taken, "rowcount", 0) != 1:
                return None
            row = tx.get_one(OutgoingMail, mail_id)
            return Due(row.id, Kind(row.kind), row.recipient, row.language, row.arguments, row.created_at, row.attempts)

    def _still_to_send(self, due: Due) -> Kind | None:
        """Which letter it is by now; None: none at all."""
        with self._db.reading() as tx:
            user = tx.scalar(select(User).where(User.email == due.recipient))
            proof = tx.get(EmailProof, due.arguments.get(PROOF_ARGUMENT, ""))
        if PROOF_ARGUMENT in due.arguments and (proof is None or proof.used_at is not None):
            return None
        if due.kind in _FOR_ACCOUNTS and (user is None or user.disabled_at is not None or user.is_service):
            return None
        if due.kind in _FOR_STRANGERS and user is not None:
            return Kind.ALREADY_REGISTERED
        return due.kind

    def _link_of(self, kind: Kind, due: Due) -> str | None:
        if kind in _PATHS:
            return self.link(kind, due.arguments[PROOF_ARGUMENT])
        return f"{self._public_url}{due.arguments.get(PATH_ARGUMENT, '/sign-in')}"

    @retried_when_contended
    def _try_later(self, due: Due, error: YunzhuoError) -> None:
        now = self._clock.now()
        if now - due.created_at >= _GIVE_UP_AFTER:
            self._end(due, MailStatus.FAILED, error)
            return
        wait = min(_FIRST_RETRY * 2 ** min(due.attempts - 1, 16), _LONGEST_RETRY)
        log.warning("mail_waits", mail_id=due.id, kind=due.kind, attempts=due.attempts, code=error.code, reason=error.message)
        with self._db.transaction() as tx:
            row = tx.get_one(OutgoingMail, due.id)
            row.due_at, row.error = now + wait, error.message[:400]

    @retried_when_contended
    def _end(self, due: Due, status: MailStatus, error: YunzhuoError | None = None) -> None:
        if error is not None:
            log.warning("mail_failed", mail_id=due.id, kind=due.kind, code=error.code, reason=error.message)
        with self._db.transaction() as tx:
            row = tx.get_one(OutgoingMail, due.id)
            row.status, row.ended_at = status, self._clock.now()
            row.error = error.message[:400] if error else None
