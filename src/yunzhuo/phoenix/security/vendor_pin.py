"""Which vendor's keys this build trusts, and whether it needs a license at all.

A vendor puts its public keys into ``vendor_pin.json`` beside this module before it builds; no setting changes that, or whoever
has an installation could sign its licenses. The build that everybody gets pins none and needs no license.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources

from joserfc.jwk import OKPKey

from yunzhuo.phoenix.security import signing_keys


@dataclass(frozen=True, slots=True)
class VendorPin:
    """Public keys by their ids, and whether an installation without a license may do nothing."""

    keys: Mapping[str, OKPKey] = field(default_factory=dict)
    is_license_needed: bool = False


def pinned() -> VendorPin:
    """What was pinned when this was built."""
    said = json.loads((resources.files(__package__) / "vendor_pin.json").read_text())
    keys = [signing_keys.public_from(pem) for pem in said["keys"]]
    return VendorPin({key.thumbprint(): key for key in keys}, bool(said["license_needed"]))
