"""The installation's license: what it allows and how much of that is used, taking another one, who the installation is."""

import hashlib
import math
import platform
import socket
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from joserfc.jwk import OKPKey
from sqlalchemy.orm import Session

from yunzhuo import __version__
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.phoenix.security import host_info, signing_keys
from yunzhuo.phoenix.security.licenses import License, LicenseRefused
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.license_book import LicenseBook, Limit, Standing, has_feature, most, term, usage
from yunzhuo.services.rules.licensing import (
    WARNED_DAYS,
    WARNED_PERCENTS,
    Feature,
    Phase,
    Why,
    warned_days,
    warned_percent,
    why_not_take,
)
from yunzhuo.services.stated import needs

_REASONS = {
    Why.OTHER_INSTALLATION: "This license is another installation's.",
    Why.OLDER: "This license is older than one that was here before.",
    Why.EDITED: "What is kept of the present license was edited here; ask the vendor for a newer one.",
    Why.NOT_YET: "This license does not count yet, or the clock of this computer is behind.",
    Why.ENDED: "This license has ended.",
}


@dataclass(frozen=True, slots=True)
class LicensedAmount:
    """How much of something the license allows and how much is used. ``warned_percent``: how near the end it is, in the
    steps that people are warned at; None: not near."""

    limit: Limit
    used: int
    most: int | None
    warned_percent: int | None


@dataclass(frozen=True, slots=True)
class LicenseStatus:
    """Where the installation is with its license. ``installation_key`` is what a license has to be bound to; ``features`` are
    all that there are, with whether they are included."""

    phase: Phase
    installation_key: str
    license: License | None
    amounts: Sequence[LicensedAmount]
    features: Mapping[Feature, bool]


@dataclass(frozen=True, slots=True)
class LicenseNotice:
    """What whoever runs an organization is told near the end. ``ends_at``: when the present phase ends, where it does;
    ``limits``: those that are nearly or wholly used, with the percent that is reached."""

    phase: Phase
    ends_at: datetime | None
    days_left: int | None
    limits: Mapping[Limit, int]

    @property
    def is_urgent(self) -> bool:
        """Whether something does not work, or soon will not."""
        is_soon = self.days_left is not None and self.days_left <= WARNED_DAYS[1]
        return self.phase is not Phase.ACTIVE or is_soon or WARNED_PERCENTS[-1] in self.limits.values()


class LicensingService:
    """What operators do with the license."""

    def __init__(self, db: Database, book: LicenseBook, key: OKPKey, audit: AuditLog, clock: Clock) -> None:
        self._db = db
        self._book = book
        self._key = key
        self._audit = audit
        self._clock = clock

    @needs("license:read")
    def status(self, actor: Actor) -> LicenseStatus:
        """The license, its phase, and what is used of it."""
        with self._db.reading() as tx:
            return self._status(tx)

    def _status(self, tx: Session) -> LicenseStatus:
        standing, used = self._book.standing(tx), usage(tx)
        allowed = {limit: most(standing.license, limit) for limit in Limit}
        amounts = [
            LicensedAmount(limit, used[limit], allowed[limit], warned_percent(used[limit], allowed[limit])) for limit in Limit
        ]
        features = {feature: has_feature(standing, feature) for feature in Feature}
        return LicenseStatus(standing.phase, self._key.thumbprint(), standing.license, amounts, features)

    @needs("overview:read")
    def notice(self, actor: Actor) -> LicenseNotice | None:
        """What there is to be warned of; None while all is well, and where there is no license to speak of."""
        with self._db.reading() as tx:
            standing = self._book.standing(tx)
            if standing.phase is Phase.UNLICENSED:
                return None
            used = usage(tx) if standing.phase is Phase.ACTIVE else {}
        percents = {limit: warned_percent(number, most(standing.license, limit)) for limit, number in used.items()}
        limits = {limit: percent for limit, percent in percents.items() if percent is not None}
        ends_at = _end_of(standing)
        days_left = None if ends_at is None else max(0, math.ceil((ends_at - self._clock.now()) / timedelta(days=1)))
        if standing.phase is Phase.ACTIVE and not limits and (days_left is None or warned_days(days_left) is None):
            return None
        return LicenseNotice(standing.phase, ends_at, days_left, limits)

    @needs("license:read")
    def host_info(self, actor: Actor) -> bytes:
        """The file that the vendor makes a license from."""
        return host_info.sign(
            self._key,
            host_name=socket.gethostname() or "localhost",
            machine=machine_digest(),
            yunzhuo=__version__,
            vendor_keys=self._book.vendor_keys,
            made_at=self._clock.now(),
        )

    @needs("license:change")
    @retried_when_contended
    def take(self, actor: Actor, document: bytes) -> LicenseStatus:
        """Replace the present license by this one; the same once more is no error.

        Raises SealBroken, LicenseRefused (another installation's, older, ended), Conflict for another one of the same serial.
        """
        license_ = self._book.read(document)
        with self._db.transaction() as tx:
            standing = self._book.standing(tx, locked=True)
            present, now = standing.license, self._clock.now()
            why = why_not_take(
                term(license_),
                standing.highest_serial,
                is_ours=self._book.is_ours(license_),
                is_edited=standing.phase is Phase.EDITED,
                now=now,
            )
            if why is not None:
                raise LicenseRefused(why, _REASONS[why])
            if present is not None and present.serial == license_.serial:
                if present != license_:
                    raise Conflict("license_serial_used", "There is another license with this serial.")
                return self._status(tx)
            self._book.put(tx, document.decode(), license_)
            before = {"license": present.license_id, "serial": present.serial} if present else None
            after = {"license": license_.license_id, "serial": license_.serial, "until": license_.expires_at}
            self._audit.record(tx, actor, "license:change", "license", license_.license_id, before=before, after=after)
        return self.status(actor)

    @retried_when_contended
    def witness(self) -> None:
        """Note the time in the database, so that a clock that is put back does not go unnoticed."""
        with self._db.transaction() as tx:
            self._book.witness(tx)


def _end_of(standing: Standing) -> datetime | None:
    """When the present phase ends by itself."""
    if standing.license is None or standing.phase not in (Phase.ACTIVE, Phase.GRACE):
        return None
    return standing.license.expires_at if standing.phase is Phase.ACTIVE else standing.license.grace_ends_at


def installation_key(path: Path) -> OKPKey:
    """The installation's own key, made at first start; kept with the secrets, and in their backup."""
    if not path.exists():
        with suppress(FileExistsError):  # another process was first
            signing_keys.write_private(path, signing_keys.make())
    return signing_keys.read_private(path)


def machine_digest() -> str:
    """Names this computer without telling anything of it."""
    try:
        machine_id = Path("/etc/machine-id").read_text().strip()
    except OSError:  # Windows, or a container
        machine_id = ""
    return hashlib.sha256(f"yunzhuo:{machine_id or uuid.getnode()}:{platform.machine()}".encode()).hexdigest()
