"""Licenses over the network: an installation answers a challenge with its key, and gets what counts for it.

A challenge is a mark of ours on a time and a random text, so nothing is kept of those that nobody answers; each counts once.
What the server says to an installation in one answer (``line``) has to come back in the next request. Of two computers with
one key the second cannot say it, and is noticed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from yunzhuo.license.binding import bind, count_move, host_of, move
from yunzhuo.license.issuing import Issuer, newest, newest_for_key
from yunzhuo.license.keys import KeyCabinet
from yunzhuo.license.models import AnsweredChallenge, IssuedLicense, LicensedInstallation
from yunzhuo.license.rules import State
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, NotFound
from yunzhuo.phoenix.common.ids import new_secret
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security import activation
from yunzhuo.phoenix.security.activation import ActivationAnswer, ActivationRequest
from yunzhuo.phoenix.security.keyring import Keyring
from yunzhuo.phoenix.security.licenses import LicenseRefused
from yunzhuo.phoenix.security.secrets import digest
from yunzhuo.services.audit import AuditLog

log = get_logger()
CHALLENGE_LIFE = timedelta(minutes=2)
_MARKED = "activation-challenge"


@dataclass(frozen=True, slots=True)
class _Found:
    license: IssuedLicense
    line: str | None


class ActivationService:
    """Asked by installations, which have no account here: their key is who they are."""

    def __init__(self, db: Database, issuer: Issuer, keys: KeyCabinet, keyring: Keyring, audit: AuditLog, clock: Clock) -> None:
        self._db = db
        self._issuer = issuer
        self._keys = keys
        self._keyring = keyring
        self._audit = audit
        self._clock = clock

    def challenge(self) -> str:
        """What the next request has to be made with, within two minutes."""
        text = f"{int((self._clock.now() + CHALLENGE_LIFE).timestamp())}.{new_secret(16)}"
        return f"{text}.{self._keyring.mark(_MARKED, text)}"

    def answer(self, document: bytes) -> bytes:
        """The newest license of whoever asks, signed with the challenge.

        Raises SealBroken, LicenseRefused (challenge), NotFound for a key or a code that nobody knows, Conflict for a clone, too
        many moves, or an installation that has no license yet.
        """
        request = activation.read_request(document)
        self._check(request.challenge)
        found = self._answered(request)
        if isinstance(found, Conflict):
            raise found
        said = ActivationAnswer(
            challenge=request.challenge,
            license=found.license.document,
            line=found.line,
            at=self._clock.now().replace(microsecond=0),
        )
        return activation.sign_answer(said, self._keys.signing_key(request.vendor_keys))

    @retried_when_contended
    def _answered(self, request: ActivationRequest) -> _Found | Conflict:
        """What is found, or the refusal of a clone: that it was seen is kept all the same."""
        try:
            with self._db.transaction() as tx:
                row = self._row(tx, request)
                self._use_up(tx, request.challenge)
                if row is None:
                    earlier = newest_for_key(tx, request.key_id)
                    if earlier is None:
                        raise NotFound("installation_unknown", "No installation has this key or this code.")
                    return _Found(earlier, None)
                row.checked_at = self._clock.now()
                if row.key_id != request.key_id:
                    self._come(tx, row, request)
                elif refused := self._go_on(tx, row, request):
                    return refused
                row.line_before_digest, line = digest(request.line) if request.line else None, new_secret(16)
                row.line_digest = digest(line)
                return _Found(newest(tx, row.id), line)
        except IntegrityError as error:
            raise LicenseRefused("challenge_used", "This challenge was answered already; ask for another one.") from error

    def _row(self, tx: Transaction, request: ActivationRequest) -> LicensedInstallation | None:
        """Whose key it is, or else whose code; locked."""
        query = select(LicensedInstallation).with_for_update()
        row = tx.scalars(query.where(LicensedInstallation.key_id == request.key_id)).one_or_none()
        if row is None and request.code is not None:
            row = tx.scalars(query.where(LicensedInstallation.code_digest == digest(request.code))).one_or_none()
            if row is None:
                raise NotFound("installation_unknown", "No installation has this key or this code.")
        return row

    def _come(self, tx: Transaction, row: LicensedInstallation, request: ActivationRequest) -> None:
        """A host that is new here, with the code."""
        (move if row.state == State.ACTIVE else bind)(tx, self._issuer, row, request)
        self._note(tx, row, "activated", request)

    def _go_on(self, tx: Transaction, row: LicensedInstallation, request: ActivationRequest) -> Conflict | None:
        """A host that is known. A clone is answered with a refusal, and the clone's sign stays."""
        said = digest(request.line) if request.line else None
        if row.line_digest is not None and said not in (row.line_digest, row.line_before_digest):
            row.clone_seen_at = row.clone_seen_at or self._clock.now()
            log.warning("clone_seen", installation=row.id, host=request.host_name)
            self._note(tx, row, "clone seen", request)
            told = "Another computer with the same key was here; ask the vendor."
            return Conflict("installation_cloned", told)
        if row.state == State.WAITING:
            raise NotFound("license_not_issued", "No license was issued yet.")
        if row.host is not None and row.host["machine"] != request.machine:
            count_move(row)
            self._note(tx, row, "moved", request)
        row.host = host_of(request)
        return None

    def _check(self, challenge: str) -> None:
        text, _, mark = challenge.rpartition(".")
        until = text.partition(".")[0]
        is_ours = bool(text) and self._keyring.fits(_MARKED, text, mark)
        if not is_ours or datetime.fromtimestamp(int(until), self._clock.now().tzinfo) <= self._clock.now():
            raise LicenseRefused("challenge_unknown", "This challenge is none of ours, or too old; ask for another one.")

    def _use_up(self, tx: Transaction, challenge: str) -> None:
        now = self._clock.now()
        tx.execute(delete(AnsweredChallenge).where(AnsweredChallenge.expires_at <= now))
        tx.add(AnsweredChallenge(digest=digest(challenge), expires_at=now + CHALLENGE_LIFE))
        tx.flush()

    def _note(self, tx: Transaction, row: LicensedInstallation, what: str, request: ActivationRequest) -> None:
        after = {"what": what, "host": request.host_name, "serial": row.serial}
        self._audit.record(tx, None, "license:change", "installation", row.id, organization_id=row.customer_id, after=after)
