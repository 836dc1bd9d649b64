"""Signing a license for an installation, in the transaction that changes what it may do."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from yunzhuo.license.keys import KeyCabinet
from yunzhuo.license.models import IssuedLicense, LicensedInstallation
from yunzhuo.license.notices import Notices
from yunzhuo.license.rules import Act
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import Organization
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.phoenix.security import licenses
from yunzhuo.phoenix.security.licenses import License, Limits
from yunzhuo.services.letter_words import Kind

#: A license counts a little earlier than it is made: the installation's clock may be behind.
_EARLIER = timedelta(minutes=10)


class Issuer:
    """Writes licenses with serials that only grow."""

    def __init__(self, keys: KeyCabinet, notices: Notices, clock: Clock) -> None:
        self._keys = keys
        self._notices = notices
        self._clock = clock

    def issue(self, tx: Transaction, row: LicensedInstallation, reason: str, *, is_withdrawn: bool = False) -> IssuedLicense:
        """The next license of an installation whose host is known and whose row is locked. Raises Conflict (no key)."""
        if row.key_id is None or row.host is None:
            raise ValueError("an installation without a host cannot have a license")
        now = self._clock.now().replace(microsecond=0)
        key = self._keys.signing_key(row.host["vendor_keys"])
        row.serial += 1
        made = License(
            license_id=new_id(),
            serial=row.serial,
            installation_id=row.id,
            installation_key=row.key_id,
            customer=tx.get_one(Organization, row.customer_id).name,
            edition=row.edition,
            features=tuple(row.features),
            limits=Limits(**row.limits),
            issued_at=now,
            not_before=(min(row.starts_at, now) if is_withdrawn else row.starts_at) - _EARLIER,
            expires_at=row.expires_at,
            grace_days=row.grace_days,
            withdrawn_at=now if is_withdrawn else None,
        )
        issued = IssuedLicense(
            id=made.license_id,
            installation_id=row.id,
            serial=row.serial,
            key_id=row.key_id,
            signed_by=key.thumbprint(),
            reason=reason,
            document=licenses.sign(made, key).decode(),
            issued_at=now,
            expires_at=made.expires_at,
            withdrawn_at=made.withdrawn_at,
        )
        tx.add(issued)
        tx.flush()
        if not is_withdrawn:
            self._notices.tell(tx, row, Kind.LICENSE_MOVED if reason == Act.MOVE.value else Kind.LICENSE_ISSUED)
        return issued


def newest_for_key(tx: Session, key_id: str) -> IssuedLicense | None:
    """The newest license that an installation with this key was ever given."""
    query = select(IssuedLicense).where(IssuedLicense.key_id == key_id)
    return tx.scalars(query.order_by(IssuedLicense.issued_at.desc(), IssuedLicense.serial.desc()).limit(1)).one_or_none()


def highest_serial(tx: Session, key_id: str) -> int:
    """Of all licenses that an installation with this key was ever given; 0: it had none."""
    return tx.scalar(select(func.max(IssuedLicense.serial)).where(IssuedLicense.key_id == key_id)) or 0


def history(tx: Session, installation_id: str) -> Sequence[IssuedLicense]:
    """Every license of an installation, the newest first."""
    query = select(IssuedLicense).where(IssuedLicense.installation_id == installation_id)
    return tx.scalars(query.order_by(IssuedLicense.serial.desc())).all()


def newest(tx: Session, installation_id: str) -> IssuedLicense:
    """The license in force, or that says it is withdrawn. Raises NotFound."""
    found = history(tx, installation_id)
    if not found:
        raise NotFound("license_not_issued", "No license was issued yet.")
    return found[0]


def of_serial(tx: Session, installation_id: str, serial: int) -> IssuedLicense:
    """One license of an installation's history. Raises NotFound."""
    query = select(IssuedLicense).where(IssuedLicense.installation_id == installation_id, IssuedLicense.serial == serial)
    found = tx.scalars(query).one_or_none()
    if found is None:
        raise NotFound("license_not_issued", "No license of this number was issued.")
    return found
