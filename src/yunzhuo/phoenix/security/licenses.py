"""What a license says, and how it is signed and read. ``docs/reference/license-format.md`` describes the file."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from joserfc.jwk import OKPKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

from yunzhuo.phoenix.security import sealed

KIND = "license"
VERSION = 1
_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Amount = Annotated[int, Field(ge=0, le=10**12)]


class LicenseRefused(sealed.DocumentRefused):
    """A license does not count here, for the reason that ``code`` names."""


def _whole_second(at: datetime) -> datetime:
    if at.tzinfo is None or at.utcoffset() != timedelta(0) or at.microsecond:
        raise ValueError("a time in UTC, in whole seconds")
    return at.astimezone(UTC)


Time = Annotated[
    datetime, AfterValidator(_whole_second), PlainSerializer(lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"), return_type=str)
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Limits(_Part):
    """The most there may be of each; None: no limit. ``desktops``: at the same time; ``memory_mib`` and ``disk_mib`` of all
    desktops together."""

    desktops: _Amount | None = None
    users: _Amount | None = None
    images: _Amount | None = None
    vcpus: _Amount | None = None
    memory_mib: _Amount | None = None
    disk_mib: _Amount | None = None


class License(_Part):
    """What a vendor allows an installation.

    ``installation_key`` is the id of the installation's own key; ``serial`` grows with each license of an installation, and
    an older one never replaces a newer. ``grace_days``: how long after ``expires_at`` what is there still runs.
    ``withdrawn_at``: the vendor has suspended or revoked what was licensed; only a license after this one gives it back.
    """

    version: int = VERSION
    license_id: _Name
    serial: Annotated[int, Field(ge=1, le=2**53 - 1)]
    installation_id: _Name
    installation_key: _Name
    customer: _Name
    edition: _Name
    features: tuple[_Name, ...] = ()
    limits: Limits = Limits()
    issued_at: Time
    not_before: Time
    expires_at: Time
    grace_days: Annotated[int, Field(ge=0, le=366)] = 14
    withdrawn_at: Time | None = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> "License":
        if self.not_before >= self.expires_at:
            raise ValueError("it ends before it begins")
        return self

    @property
    def grace_ends_at(self) -> datetime:
        """When what is there may run no more."""
        return self.expires_at + timedelta(days=self.grace_days)


def sign(license_: License, key: OKPKey) -> bytes:
    """The license as a file, signed with the vendor's private key."""
    return sealed.seal(KIND, license_.model_dump(mode="json", exclude_none=True), key)


def read(document: bytes, find_key: Callable[[str], OKPKey | None]) -> tuple[License, str]:
    """A license and the id of the vendor's key that signed it; whose it is and whether it counts now is not looked at.

    Raises :class:`sealed.SealBroken`, and LicenseRefused for one of another version or with content that makes no sense.
    """
    content, key_id = sealed.unseal(KIND, document, find_key)
    if content.get("version") != VERSION:
        raise LicenseRefused("license_version", "This license is of a version that is not known here; a newer Yunzhuo may.")
    try:
        return License.model_validate_json(sealed.canonical(content)), key_id
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, each["loc"])) or str(each["msg"]) for each in _errors(error))
        raise LicenseRefused("license_unreadable", f"This license is refused. It makes no sense: {wrong}.") from error


def _errors(error: ValidationError) -> list[Any]:
    return error.errors(include_url=False, include_context=False, include_input=False)
