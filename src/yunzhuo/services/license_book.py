"""What the installation's license allows, looked at and enforced in the transaction of whoever takes something."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Inconsistent, LimitReached
from yunzhuo.phoenix.db.models import Desktop, Flavor, Image, Installation, User
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.phoenix.security import licenses
from yunzhuo.phoenix.security.keyring import Keyring
from yunzhuo.phoenix.security.licenses import License, LicenseRefused
from yunzhuo.phoenix.security.sealed import SealBroken
from yunzhuo.phoenix.security.vendor_pin import VendorPin
from yunzhuo.services.rules.licensing import FEATURE_REACHES, REACHES, Feature, Phase, Reach, Term, fits, next_witness, phase

_ROW = 1
_MARKED = "latest-seen"


class Limit(StrEnum):
    """What a license counts in the whole installation. ``DESKTOPS``: those that are to run at the same time."""

    DESKTOPS = "desktops"
    USERS = "users"
    IMAGES = "images"
    VCPUS = "vcpus"
    MEMORY_MIB = "memory_mib"
    DISK_MIB = "disk_mib"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the installation is with its license now; ``license`` None: there is none that counts for anything.

    ``highest_serial``: of all licenses that were ever taken.
    """

    phase: Phase
    license: License | None = None
    highest_serial: int = 0

    @property
    def reach(self) -> Reach:
        """How much people may do."""
        return REACHES[self.phase]


class LicenseBook:
    """Reads the license, and says no where it does. ``key_id`` is the id of the installation's own key."""

    def __init__(self, clock: Clock, pin: VendorPin, key_id: str, keys: Keyring) -> None:
        self._clock = clock
        self._pin = pin
        self._key_id = key_id
        self._keys = keys
        self._read = lru_cache(maxsize=4)(self._read_document)

    def standing(self, tx: Session, *, locked: bool = False) -> Standing:
        """The license and its phase. ``locked``: nobody else takes anything before this transaction ends."""
        row = _row(tx, locked=locked)
        found = self._read(row.document) if row.document is not None else None
        is_needed = self._pin.is_license_needed or row.document is not None or row.serial > 0
        if is_needed and self._is_edited(row, found):
            return Standing(Phase.EDITED, found, row.serial)
        in_force = term(found) if found else None
        at = phase(in_force, is_needed=is_needed, now=self._clock.now(), latest_seen=row.latest_seen)
        return Standing(at, found, row.serial)

    def require(self, tx: Session, reach: Reach) -> None:
        """Make sure that the license lets people do so much. Raises LimitReached."""
        _require(self.standing(tx), reach)

    def require_feature(self, tx: Session, feature: Feature) -> None:
        """Make sure that the license has this feature. Raises LimitReached. What was made of it before goes on."""
        standing = self.standing(tx)
        _require(standing, FEATURE_REACHES[feature])
        if not has_feature(standing, feature):
            text = f"The installation's license does not include {feature}."
            raise LimitReached("license_feature_missing", text, feature=feature)

    def reserve(self, tx: Transaction, wanted: Mapping[Limit, int], reach: Reach = Reach.ALL) -> None:
        """Make sure that there may be this much more; what is reserved is what the transaction then writes.

        Raises LimitReached when the license does not reach so far now, or has less left.
        """
        standing = self.standing(tx)
        _require(standing, reach)
        limited = {limit for limit, more in wanted.items() if more > 0 and most(standing.license, limit) is not None}
        if not limited:
            return
        standing = self.standing(tx, locked=True)
        _require(standing, reach)
        used = usage(tx)
        for limit in sorted(limited):
            allowed = most(standing.license, limit)
            if not fits(used[limit], wanted[limit], allowed):
                text = f"The installation's license allows {allowed} {limit}; {used[limit]} are used."
                raise LimitReached("license_limit_reached", text, resource=limit, used=used[limit], limit=allowed)

    def reserve_user(self, tx: Transaction) -> None:
        """Make sure that there may be one account more. The first one always may: somebody has to bring a license."""
        if tx.scalar(select(User.id).limit(1)) is not None:
            self.reserve(tx, {Limit.USERS: 1})

    def witness(self, tx: Transaction) -> None:
        """Note the time, unless a later one was noted: a clock that is put back does not go unnoticed.

        What somebody has edited stays as it is, or it would be made good.
        """
        row, now = _row(tx, locked=True), self._clock.now()
        is_untouched = row.latest_seen is None and row.document is None and row.serial == 0
        if is_untouched or (row.latest_seen is not None and row.latest_seen < now and self._is_marked(row)):
            self._note(row, now)

    def put(self, tx: Transaction, document: str, license_: License) -> None:
        """Keep a license that was looked at, in the place of the present one. Call with the row locked (:meth:`standing`)."""
        row, now = _row(tx, locked=True), self._clock.now()
        seen = row.latest_seen if self._is_marked(row) else None
        is_newer = license_.serial > row.serial
        row.document, row.serial, row.taken_at = document, max(row.serial, license_.serial), now
        self._note(row, next_witness(seen, now=now, issued_at=license_.issued_at, is_newer=is_newer))

    def _note(self, row: Installation, at: datetime) -> None:
        row.latest_seen = at
        row.latest_mark = self._keys.mark(_MARKED, _marked_text(row))

    def _is_edited(self, row: Installation, found: License | None) -> bool:
        if row.latest_seen is None:
            return row.document is not None or row.serial > 0
        return not self._is_marked(row) or (found is not None and found.serial != row.serial)

    def _is_marked(self, row: Installation) -> bool:
        return row.latest_seen is not None and self._keys.fits(_MARKED, _marked_text(row), row.latest_mark or "")

    def read(self, document: bytes) -> License:
        """A license that a vendor of this build has signed. Raises SealBroken, LicenseRefused."""
        return licenses.read(document, self._pin.keys.get)[0]

    @property
    def vendor_keys(self) -> Sequence[str]:
        """The ids of the keys that this build trusts."""
        return sorted(self._pin.keys)

    def is_ours(self, license_: License) -> bool:
        """Whether it is for this installation."""
        return license_.installation_key == self._key_id

    def _read_document(self, document: str) -> License | None:
        """The license as it is stored; None when somebody has changed it there, or its key is trusted no more."""
        try:
            found = self.read(document.encode())
        except (SealBroken, LicenseRefused):
            return None
        return found if self.is_ours(found) else None


def _row(tx: Session, *, locked: bool = False) -> Installation:
    query = select(Installation).where(Installation.id == _ROW)
    if locked:  # what stood here before the lock was waited for is old
        query = query.with_for_update().execution_options(populate_existing=True)
    row = tx.scalars(query).one_or_none()
    if row is None:
        raise Inconsistent("installation_row_lost", "The row of this installation is gone from the database; restore a backup.")
    return row


def _marked_text(row: Installation) -> str:
    return f"{row.serial} {row.latest_seen.isoformat() if row.latest_seen else ''}"


def term(license_: License) -> Term:
    """What the rules want to know of a license."""
    is_withdrawn = license_.withdrawn_at is not None
    return Term(license_.serial, license_.not_before, license_.expires_at, license_.grace_ends_at, is_withdrawn)


def most(license_: License | None, limit: Limit) -> int | None:
    """The most there may be; None: as much as there is."""
    found: int | None = getattr(license_.limits, limit) if license_ else None
    return found


def has_feature(standing: Standing, feature: Feature) -> bool:
    """Whether what is licensed has this feature; without a license, and without needing one, there are all."""
    return standing.phase is Phase.UNLICENSED or (standing.license is not None and feature in standing.license.features)


def usage(tx: Session) -> Mapping[Limit, int]:
    """What the whole installation uses."""
    there = Desktop.deleted_at.is_(None)
    running = func.sum(case((Desktop.wanted == "running", 1), else_=0))
    sums = select(running, func.sum(Flavor.vcpus), func.sum(Flavor.memory_mib), func.sum(Flavor.disk_mib))
    row = tx.execute(sums.select_from(Desktop).join(Flavor, Flavor.id == Desktop.flavor_id).where(there)).one()
    users = select(func.count()).select_from(User).where(User.deleted_at.is_(None), User.is_service.is_(False))
    images = select(func.count(func.distinct(Image.cloud_id))).where(Image.withdrawn_at.is_(None))
    return {
        Limit.DESKTOPS: int(row[0] or 0),
        Limit.USERS: tx.scalar(users) or 0,
        Limit.IMAGES: tx.scalar(images) or 0,
        Limit.VCPUS: int(row[1] or 0),
        Limit.MEMORY_MIB: int(row[2] or 0),
        Limit.DISK_MIB: int(row[3] or 0),
    }


_WHY: Mapping[Phase, str] = {
    Phase.MISSING: "This installation needs a license and has none.",
    Phase.NOT_YET: "This installation's license does not count yet.",
    Phase.GRACE: "This installation's license has ended: what is there goes on, and nothing new is made.",
    Phase.ENDED: "This installation's license has ended: desktops can be stopped, saved and deleted.",
    Phase.WITHDRAWN: "This installation's license was withdrawn: desktops can be stopped, saved and deleted.",
    Phase.CLOCK_BACK: "The clock of this installation was put back; its license counts again when it is right.",
    Phase.EDITED: "What the database keeps of the license was edited; a newer license makes it good.",
}
_WIDTH = {Reach.CLOSE: 0, Reach.KEEP: 1, Reach.ALL: 2}


def _require(standing: Standing, reach: Reach) -> None:
    if _WIDTH[standing.reach] < _WIDTH[reach]:
        raise LimitReached(f"license_{standing.phase}", _WHY[standing.phase], phase=standing.phase)
