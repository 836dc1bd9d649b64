"""The license server's JSON."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from yunzhuo.license.exchange import ExchangeReport
from yunzhuo.license.installations import InstallationView, LicenseView, NewCode, Terms
from yunzhuo.license.keys import KeyView
from yunzhuo.license.rules import Act
from yunzhuo.phoenix.security.licenses import Limits as LicenseLimits
from yunzhuo.services.list_files import FileKind
from yunzhuo.services.organizations import OrganizationView
from yunzhuo.services.people import NewAccess
from yunzhuo.services.rules.licensing import EDITIONS, Feature
from yunzhuo.webkit.bodies import Asked, Id, Moment

_Email = Annotated[str, Field(max_length=320, examples=["lin@school.example"])]
_Password = Annotated[str, Field(max_length=1024)]
_Word = Annotated[str, Field(min_length=1, max_length=32, examples=["school"])]
_Amount = Annotated[int, Field(ge=0, le=10**12)]
_Days = Annotated[int, Field(ge=0, le=366)]
_Moves = Annotated[int, Field(ge=0, le=1000)]


class Shown(BaseModel):
    """What is told of something that a service told of."""

    model_config = ConfigDict(from_attributes=True)


class NewToken(Asked):
    """Whose token it is to be."""

    email: _Email
    password: _Password
    code: str | None = Field(None, max_length=64, description="Where there is a second factor: a code of it.")


class Token(BaseModel):
    """A token, told this once."""

    id: Id
    token: str
    expires_at: datetime


class NewPassword(Asked):
    """A password of one's own in the place of the one-time one."""

    email: _Email
    present: _Password
    chosen: _Password


class Key(Shown):
    """A public key of the vendor's."""

    id: str = Field(description="Its thumbprint (RFC 7638).")
    public_key: str = Field(description="PEM.")
    made_at: datetime
    retired_at: datetime | None
    signs: bool


class KeyList(BaseModel):
    """Keys, the newest first."""

    items: list[Key]

    @classmethod
    def of(cls, keys: list[KeyView]) -> "KeyList":
        """What is told of them."""
        return cls(items=[Key.model_validate(key) for key in keys])


class NewCustomer(Asked):
    """A customer to be made."""

    name: str = Field(max_length=200, examples=["第一中学"])


class CustomerChange(Asked):
    """What is to be another way."""

    name: str | None = Field(None, max_length=200)
    is_disabled: bool | None = None


class Customer(BaseModel):
    """A customer. Nobody of a disabled one gets in; licenses stay as they are."""

    id: Id
    name: str
    is_disabled: bool
    contacts: int
    created_at: datetime

    @classmethod
    def of(cls, view: OrganizationView) -> "Customer":
        """What is told of it."""
        return cls(id=view.id, name=view.name, is_disabled=view.is_disabled, contacts=view.users, created_at=view.created_at)


class CustomerList(BaseModel):
    """Customers by name."""

    items: list[Customer]


class NewContact(Asked):
    """One of a customer's people."""

    email: _Email
    language: str | None = Field(None, max_length=16, examples=["zh_CN"])


class Contact(BaseModel):
    """An account. `one_time_password` only in the answer that makes it."""

    id: Id
    email: str
    one_time_password: str | None = None

    @classmethod
    def of(cls, access: NewAccess) -> "Contact":
        """What is told of a new one."""
        return cls(id=access.user.id, email=access.user.email, one_time_password=access.one_time_password)


class ContactList(BaseModel):
    """A customer's people by address."""

    items: list[Contact]


class Limits(BaseModel):
    """The most there may be; what is absent is not limited."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    desktops: _Amount | None = None
    users: _Amount | None = None
    images: _Amount | None = None
    vcpus: _Amount | None = None
    memory_mib: _Amount | None = None
    disk_mib: _Amount | None = None


class NewInstallation(Asked):
    """An installation of a customer's, and what it may do."""

    customer_id: Id
    name: str = Field(max_length=200, examples=["Main building"])
    edition: _Word = "standard"
    features: list[Feature] | None = Field(None, max_length=50, description="Absent: those of the edition.")
    limits: Limits = Limits()
    starts_at: Moment | None = Field(None, description="Absent: now.")
    expires_at: Moment
    grace_days: _Days = 14
    moves_allowed: _Moves = Field(2, description="How often it may go to another computer.")

    def terms(self, now: datetime) -> Terms:
        """The same for the service."""
        return Terms(
            self.edition,
            EDITIONS.get(self.edition, ()) if self.features is None else tuple(self.features),
            _limits(self.limits),
            whole(self.starts_at or now),
            whole(self.expires_at),
            self.grace_days,
        )


class InstallationChange(Asked):
    """What is to be another way; what is absent stays. An active installation gets another license at once."""

    name: str | None = Field(None, max_length=200)
    edition: _Word | None = None
    features: list[Feature] | None = Field(None, max_length=50, description="Absent: as they are, or those of another edition.")
    limits: Limits | None = Field(None, description="All of them: one that is absent is not limited any more.")
    starts_at: Moment | None = None
    expires_at: Moment | None = None
    grace_days: _Days | None = None
    moves_allowed: _Moves | None = None

    def terms(self, present: Terms) -> Terms:
        """The same for the service."""
        return Terms(
            self.edition or present.edition,
            features_of(self.features, self.edition, present),
            present.limits if self.limits is None else _limits(self.limits),
            whole(self.starts_at or present.starts_at),
            whole(self.expires_at or present.expires_at),
            present.grace_days if self.grace_days is None else self.grace_days,
        )


class AskedAct(StrEnum):
    """What can be done to an installation as it is."""

    ISSUE = Act.ISSUE.value
    SUSPEND = Act.SUSPEND.value
    RESUME = Act.RESUME.value
    REVOKE = Act.REVOKE.value


class ActionWish(Asked):
    """What is to be done."""

    action: AskedAct


class InstallationQuery(BaseModel):
    """Which installations are listed."""

    customer: str | None = Field(None, max_length=64, description="Only one customer's.")


class Installation(BaseModel):
    """An installation. `state` is waiting, ready, active, expired, suspended or revoked."""

    id: Id
    customer_id: Id
    name: str
    state: str
    edition: str
    features: list[str]
    limits: Limits
    starts_at: datetime
    expires_at: datetime
    grace_days: int
    serial: int = Field(description="Of its newest license; 0: none was issued.")
    key_id: str | None
    host_name: str | None
    moves: int
    moves_allowed: int
    clone_seen_at: datetime | None = Field(description="When a second computer with the same key was noticed.")
    checked_at: datetime | None = Field(description="When it last asked for its license.")
    created_at: datetime

    @classmethod
    def of(cls, view: InstallationView) -> "Installation":
        """What is told of it."""
        return cls(
            id=view.id,
            customer_id=view.customer_id,
            name=view.name,
            state=view.state,
            edition=view.terms.edition,
            features=list(view.terms.features),
            limits=Limits.model_validate(view.terms.limits),
            starts_at=view.terms.starts_at,
            expires_at=view.terms.expires_at,
            grace_days=view.terms.grace_days,
            serial=view.serial,
            key_id=view.key_id,
            host_name=view.host_name,
            moves=view.moves,
            moves_allowed=view.moves_allowed,
            clone_seen_at=view.clone_seen_at,
            checked_at=view.checked_at,
            created_at=view.created_at,
        )


class InstallationList(BaseModel):
    """Installations by name."""

    items: list[Installation]


class InstallationCode(BaseModel):
    """An installation, and the code that it activates itself with, told this once."""

    installation: Installation
    code: str

    @classmethod
    def of(cls, made: NewCode) -> "InstallationCode":
        """What is told of it."""
        return cls(installation=Installation.of(made.installation), code=made.code)


class IssuedLicense(Shown):
    """One license of an installation's history."""

    id: Id
    serial: int
    reason: str
    key_id: str
    signed_by: str
    issued_at: datetime
    expires_at: datetime
    withdrawn_at: datetime | None
    is_superseded: bool


class IssuedLicenseList(BaseModel):
    """Licenses, the newest first."""

    items: list[IssuedLicense]

    @classmethod
    def of(cls, found: list[LicenseView]) -> "IssuedLicenseList":
        """What is told of them."""
        return cls(items=[IssuedLicense.model_validate(each) for each in found])


class ListQuery(BaseModel):
    """What the list is to be."""

    kind: FileKind = FileKind.CSV


class ImportQuery(ListQuery):
    """How a list is taken in."""

    dry_run: bool = Field(False, description="Only say what is wrong with it.")


class ImportLine(Shown):
    """A line of the list; the heading is line 1."""

    number: int
    customer: str
    installation: str
    problem: str | None


class ImportMade(BaseModel):
    """What a line has made."""

    customer: str
    contact: Contact | None
    installation: InstallationCode | None


class Import(BaseModel):
    """What was found, and what was made: nothing when one line is wrong, and when it was only a try."""

    lines: list[ImportLine]
    made: list[ImportMade]

    @classmethod
    def of(cls, report: ExchangeReport) -> "Import":
        """What is told of it."""
        made = [
            ImportMade(
                customer=each.customer,
                contact=Contact.of(each.contact) if each.contact else None,
                installation=InstallationCode.of(each.installation) if each.installation else None,
            )
            for each in report.made
        ]
        return cls(lines=[ImportLine.model_validate(line) for line in report.lines], made=made)


class Challenge(BaseModel):
    """What the next request has to be made with, within two minutes."""

    challenge: str


def features_of(said: Sequence[str] | None, edition: str | None, present: Terms) -> Sequence[str]:
    """The features from now on: those that were said, else those of another edition, else the present ones."""
    if said is not None:
        return tuple(said)
    return EDITIONS.get(edition, ()) if edition is not None and edition != present.edition else present.features


def whole(at: datetime) -> datetime:
    """Without a fraction of a second, as licenses write times."""
    return at - timedelta(microseconds=at.microsecond)


def _limits(said: Limits) -> LicenseLimits:
    return LicenseLimits(**said.model_dump())
