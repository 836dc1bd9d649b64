"""Links that count once: what whoever reads the mail of an address may do, or whoever an administrator hands one to."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import EmailProof
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.secrets import digest
from yunzhuo.services.access import Role
from yunzhuo.services.mailing import Outbox

KEEP = timedelta(days=7)


class Purpose(StrEnum):
    """What a link is for."""

    REGISTER = "register"
    INVITATION = "invitation"
    RESET = "reset"
    CHANGE_ADDRESS = "change_address"


class ProofBook:
    """Writes proofs and spends them. Of their secrets only digests are kept."""

    def __init__(self, db: Database, outbox: Outbox, clock: Clock) -> None:
        self._db = db
        self._outbox = outbox
        self._clock = clock

    def write(
        self,
        tx: Transaction,
        purpose: Purpose,
        email: str,
        *,
        organization_id: str,
        lifetime_seconds: float,
        user_id: str | None = None,
        role: Role | None = None,
        language: str | None = None,
        invited_by: str | None = None,
    ) -> EmailProof:
        """A new proof; an older one for the same purpose and address is worthless from then on."""
        now = self._clock.now()
        older = (EmailProof.email == email, EmailProof.purpose == purpose, EmailProof.organization_id == organization_id)
        tx.execute(delete(EmailProof).where(*older, EmailProof.used_at.is_(None)))
        proof_id = new_id()
        proof = EmailProof(
            id=proof_id,
            organization_id=organization_id,
            user_id=user_id,
            purpose=purpose,
            email=email,
            role=role,
            language=language,
            invited_by=invited_by,
            secret_digest=digest(self._outbox.secret_of(proof_id)),
            created_at=now,
            expires_at=now + timedelta(seconds=lifetime_seconds),
        )
        tx.add(proof)
        return proof

    def look_at(self, secret: str, *purposes: Purpose) -> EmailProof:
        """The proof with this secret, still unspent. Raises NotFound, in the same words whatever is wrong."""
        with self._db.reading() as tx:
            return self._valid(tx, secret, purposes)

    def spend(self, tx: Transaction, secret: str, *purposes: Purpose) -> EmailProof:
        """The same, and it is spent with ``tx``: of two at once only one succeeds. Raises NotFound."""
        proof = self._valid(tx, secret, purposes)
        now = self._clock.now()
        spent = tx.execute(
            update(EmailProof).where(EmailProof.id == proof.id, EmailProof.used_at.is_(None)).values(used_at=now)
        )
        if getattr(spent, "rowcount", 0) != 1:
            raise _not_valid()
        return proof

    def void(self, tx: Transaction, *which: ColumnElement[bool]) -> None:
        """Make unspent proofs worthless."""
        tx.execute(delete(EmailProof).where(EmailProof.used_at.is_(None), *which))

    @retried_when_contended
    def forget_old(self) -> None:
        """Drop what ended a week ago."""
        with self._db.transaction() as tx:
            tx.execute(delete(EmailProof).where(EmailProof.expires_at < self._clock.now() - KEEP))

    def _valid(self, tx: Session, secret: str, purposes: tuple[Purpose, ...]) -> EmailProof:
        query = select(EmailProof).where(
            EmailProof.secret_digest == digest(secret),
            EmailProof.purpose.in_(purposes),
            EmailProof.used_at.is_(None),
            EmailProof.expires_at > self._clock.now(),
        )
        proof = tx.scalar(query)
        if proof is None:
            raise _not_valid()
        return proof


def _not_valid() -> NotFound:
    return NotFound("link_not_valid", "This link is not valid, or not any more.")


def until(expires_at: datetime) -> str:
    """The end of a link as letters say it."""
    return f"{expires_at:%Y-%m-%d %H:%M} UTC"
