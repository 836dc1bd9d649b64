"""Letters to a customer's people: a license was issued, ends in 30, 7 and 1 days, has ended, was moved. In their language.

They lie in the outbox of ``services`` and are sent by this server's own process, again and again if need be.
"""

import math
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import select

from yunzhuo.license.models import LicensedInstallation
from yunzhuo.license.rules import State
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.db.models import Organization, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.letter_words import Kind
from yunzhuo.services.mailing import PATH_ARGUMENT, Outbox
from yunzhuo.services.rules.licensing import WARNED_DAYS, warned_days

#: What is told at the end itself; the days before it are above.
ENDED = 0


class Notices:
    """Writes letters in the transaction that is their reason."""

    def __init__(self, db: Database, outbox: Outbox, clock: Clock) -> None:
        self._db = db
        self._outbox = outbox
        self._clock = clock

    def tell(self, tx: Transaction, row: LicensedInstallation, kind: Kind, more: Mapping[str, str] | None = None) -> None:
        """A letter to everybody of the customer who can sign in. Without a mail server nothing is written."""
        arguments = {
            "installation": row.name,
            "customer": tx.get_one(Organization, row.customer_id).name,
            "until": f"{row.expires_at:%Y-%m-%d}",
            "grace": str(row.grace_days),
            PATH_ARGUMENT: f"/installations/{row.id}",
            **(more or {}),
        }
        people = select(User).where(
            User.organization_id == row.customer_id, User.deleted_at.is_(None), User.disabled_at.is_(None)
        )
        for person in tx.scalars(people):
            if not person.is_service:
                self._outbox.put(tx, kind, person.email, person.language, arguments)

    @retried_when_contended
    def round(self) -> None:
        """Tell once of each end that comes near, and of each that has come."""
        now = self._clock.now()
        soon = now + timedelta(days=max(WARNED_DAYS))
        near = select(LicensedInstallation).where(
            LicensedInstallation.state == State.ACTIVE,
            LicensedInstallation.expires_at <= soon,
            LicensedInstallation.deleted_at.is_(None),
        )
        with self._db.transaction() as tx:
            for row in tx.scalars(near.with_for_update()):
                left = math.ceil((row.expires_at - now) / timedelta(days=1))
                reached = ENDED if row.expires_at <= now else warned_days(left)
                if reached is None or (row.told_days is not None and row.told_days <= reached):
                    continue
                row.told_days = reached
                self.tell(tx, row, Kind.LICENSE_ENDED if reached == ENDED else Kind.LICENSE_ENDING, {"days": str(left)})

    def send_due(self) -> None:
        """Try to send every letter that is due."""
        for mail_id in self._outbox.due():
            self._outbox.send(mail_id)
