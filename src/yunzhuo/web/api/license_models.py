"""The API's JSON about the installation's license."""

from datetime import datetime

from pydantic import BaseModel, Field

from yunzhuo.services.license_book import Limit
from yunzhuo.services.licensing import LicenseStatus
from yunzhuo.services.rules.licensing import Feature, Phase
from yunzhuo.web.api.rights_models import Shown
from yunzhuo.webkit.bodies import Asked


class Activation(Asked):
    """What there is to say to the vendor's license server."""

    code: str | None = Field(None, max_length=100, description="The first time: the code that the vendor gave you.")


class LicensedAmount(Shown):
    """How much of something the license allows, and how much is used."""

    limit: Limit
    used: int
    most: int | None = Field(description="null: as much as there is.")
    warned_percent: int | None = Field(description="The highest of 80, 90 and 100 that is reached.")


class InstalledLicense(Shown):
    """What the vendor allows."""

    license_id: str
    serial: int
    installation_id: str
    customer: str
    edition: str
    features: list[str]
    issued_at: datetime
    not_before: datetime
    expires_at: datetime
    grace_days: int
    withdrawn_at: datetime | None


class License(BaseModel):
    """Where the installation is with its license."""

    phase: Phase
    installation_key: str = Field(description="The id of the installation's own key, which a license is bound to.")
    license: InstalledLicense | None
    amounts: list[LicensedAmount]
    features: dict[Feature, bool] = Field(description="What there is, and whether it is licensed; all of it without a license.")

    @classmethod
    def of(cls, status: LicenseStatus) -> "License":
        """What is told of it."""
        return cls(
            phase=status.phase,
            installation_key=status.installation_key,
            license=InstalledLicense.model_validate(status.license) if status.license else None,
            amounts=[LicensedAmount.model_validate(each) for each in status.amounts],
            features=dict(status.features),
        )
