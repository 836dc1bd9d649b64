"""A vendor's key, installations of a build that trusts it, and licenses for them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from joserfc.jwk import OKPKey
from tests.support.installation import START, Installation

from yunzhuo.phoenix.security import licenses, signing_keys
from yunzhuo.phoenix.security.licenses import License
from yunzhuo.phoenix.security.vendor_pin import VendorPin
from yunzhuo.services.access import Actor
from yunzhuo.services.licensing import LicenseStatus
from yunzhuo.services.rules.licensing import Phase

VENDOR = signing_keys.make()
PIN = VendorPin({VENDOR.thumbprint(): signing_keys.public(VENDOR)})
YEAR = timedelta(days=365)


@dataclass
class Licensed:
    """An installation of a build that trusts VENDOR, and its operator."""

    yunzhuo: Installation
    boss: Actor

    def document(self, key: OKPKey = VENDOR, **changes: Any) -> bytes:
        """A license for it, good for a year unless ``changes`` say otherwise."""
        own = self.yunzhuo.services.licensing.status(self.boss).installation_key
        values: dict[str, Any] = {
            "license_id": "l-1",
            "serial": 1,
            "installation_id": "i-1",
            "installation_key": own,
            "customer": "School",
            "edition": "school",
            "issued_at": START,
            "not_before": START - timedelta(days=1),
            "expires_at": START + YEAR,
            "grace_days": 14,
        }
        return licenses.sign(License(**values | changes), key)

    def take(self, **changes: Any) -> LicenseStatus:
        """Let it take such a license."""
        return self.yunzhuo.services.licensing.take(self.boss, self.document(**changes))

    def phase(self) -> Phase:
        """Where it is with its license."""
        return self.yunzhuo.services.licensing.status(self.boss).phase
