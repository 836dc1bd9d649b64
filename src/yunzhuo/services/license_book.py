"""What the installation's license allows, looked at and enforced in the transaction of whoever takes something."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import LimitReached
from yunzhuo.phoenix.db.models import Desktop, Flavor, Image, Installation, User
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.phoenix.security import licenses
from yunzhuo.phoenix.security.keyring import Keyring
from yunzhuo.phoenix.security.licenses import License, LicenseRefused
from yunzhuo.phoenix.security.sealed import SealBroken
from yunzhuo.phoenix.security.vendor_pin import VendorPin
from yunzhuo.services.rules.licensing import REACHES, Phase, Reach, Term, fits, phase

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
    """Where the installation is with its license now; ``license`` None: there is none that counts for anything."""

    phase: Phase
    license: License | None = None

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
        query = select(Installation).where(Installation.id == _ROW)
        row = tx.scalars(query.with_for_update() if locked else query).one()
        found = self._read(row.document) if row.document is not None else None
        now = self._clock.now()
        if row.latest_seen is not None and not self._keys.fits(_MARKED, row.latest_seen.isoformat(), row.latest_mark or ""):
            return Standing(Phase.CLOCK_BACK if found or self._pin.is_license_needed else Phase.UNLICENSED, found)
        is_needed = self._pin.is_license_needed or row.document is not None
        return Standing(phase(term(found) if found else None, is_needed=is_needed, now=now, latest_seen=row.latest_seen), found)

    def require(self, tx: Session, reach: Reach) -> None:
        """Make sure that the license lets people do so much. Raises LimitReached."""
        _require(self.standing(tx), reach)

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

    def witness(self, tx: Transaction) -> None:
        """Note the time, unless a later one was noted: a clock that is put back does not go unnoticed."""
        now = self._clock.now()
        is_later = (Installation.latest_seen.is_(None)) | (Installation.latest_seen < now)
        noted = {"latest_seen": now, "latest_mark": self._keys.mark(_MARKED, now.isoformat())}
        tx.execute(update(Installation).where(Installation.id == _ROW, is_later).values(noted))

    def put(self, tx: Transaction, document: str, license_: License) -> None:
        """Keep a license that was looked at, in the place of the present one."""
        values = {"document": document, "serial": license_.serial, "taken_at": self._clock.now()}
        tx.execute(update(Installation).where(Installation.id == _ROW).values(values))

    def read(self, document: bytes) -> License:
        """A license that a vendor of this build has signed. Raises SealBroken, LicenseRefused."""
        return licenses.read(document, self._pin.keys.get)[0]

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


def term(license_: License) -> Term:
    """What the rules want to know of a license."""
    return Term(license_.serial, license_.not_before, license_.expires_at, license_.grace_ends_at)


def most(license_: License | None, limit: Limit) -> int | None:
    """The most there may be; None: as much as there is."""
    found: int | None = getattr(license_.limits, limit) if license_ else None
    return found


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
    Phase.REVOKED: "This installation's license was withdrawn: desktops can be stopped, saved and deleted.",
    Phase.CLOCK_BACK: "The clock of this installation was put back; its license counts again when it is right.",
}
_WIDTH = {Reach.CLOSE: 0, Reach.KEEP: 1, Reach.ALL: 2}


def _require(standing: Standing, reach: Reach) -> None:
    if _WIDTH[standing.reach] < _WIDTH[reach]:
        raise LimitReached(f"license_{standing.phase}", _WHY[standing.phase], phase=standing.phase)
