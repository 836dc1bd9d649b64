"""The API's JSON about how much there is for whom, and about who did what."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field

from yunzhuo.services.audit_search import MAX_PAGE
from yunzhuo.services.list_files import FileKind
from yunzhuo.services.people_import import Change
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.usage import MAX_DAYS
from yunzhuo.web.api.admin_models import Access, DesktopsAnswer
from yunzhuo.web.api.operation_models import Refusal
from yunzhuo.web.api.rights_models import Shown
from yunzhuo.webkit.bodies import Asked, Id, Moment


class Allowance(Shown):
    """How much of a resource is used, and the most that may be; null: as much as there is."""

    subject: Subject
    subject_id: Id
    resource: Resource
    used: int
    most: int | None
    left: int | None


class AllowanceList(BaseModel):
    """What limits somebody."""

    items: list[Allowance]
    next_cursor: None = None


class Quota(Shown):
    """A quota that somebody set."""

    subject: Subject
    subject_id: Id
    subject_name: str
    resource: Resource
    most: int


class QuotaList(BaseModel):
    """All quotas of an organization."""

    items: list[Quota]
    next_cursor: None = None


class QuotaChange(Asked):
    """How much of a resource somebody may have; null takes the limit away."""

    subject: Subject
    subject_id: Id = Field(max_length=64)
    resource: Resource
    most: int | None = Field(ge=0, le=2**53 - 1)


class UsageQuery(BaseModel):
    """Whose usage, and of how many days."""

    days: int = Field(30, ge=1, le=MAX_DAYS, description="Today and the days before it.")
    user: str | None = Field(None, max_length=64, description="Only this person's.")


class DayUsage(Shown):
    """What was used on a day (UTC)."""

    day: date
    desktops: int
    running_seconds: int
    vcpu_seconds: int
    memory_mib_seconds: int


class Usage(BaseModel):
    """Usage day by day, the oldest first."""

    items: list[DayUsage]
    next_cursor: None = None


class Outcome(StrEnum):
    """How a wish ended."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class AuditFilter(BaseModel):
    """Which entries are wanted."""

    who: str | None = Field(None, max_length=256, description="Part of the address of who did it, or for whom.")
    verb: str | None = Field(None, max_length=64, description="A verb (`desktop:start`), or an object for all of its verbs.")
    outcome: Outcome | None = None
    object: str | None = Field(None, max_length=64, description="The id of what it was done to.")
    request: str | None = Field(None, max_length=64, description="A request's id.")
    client: str | None = Field(None, max_length=255, description="The address it came from.")
    since: Moment | None = None
    until: Moment | None = None


class AuditQuery(AuditFilter):
    """Which entries are listed."""

    limit: int = Field(50, ge=1, le=MAX_PAGE, description="How many at most.")
    cursor: str | None = Field(None, max_length=64, description="`next_cursor` of the page before.")


class AuditExport(AuditFilter):
    """Which entries are taken away, and how."""

    kind: Annotated[str, Field(pattern="^(csv|json)$", description="`csv`, or `json`: one object a line.")] = "csv"


class AuditEntry(Shown):
    """Who did what, for whom, whence, and how it ended."""

    id: int
    at: datetime
    actor_id: str | None
    actor_email: str | None
    owner_id: str | None
    owner_email: str | None
    verb: str
    object_type: str
    object_id: str | None
    outcome: Outcome
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None
    client_address: str | None
    request_id: str | None
    sequence: int | None
    chain_hash: str | None


class AuditList(BaseModel):
    """Entries, the newest first."""

    items: list[AuditEntry]
    next_cursor: str | None


class Verification(Shown):
    """Whether the chain of the audit log holds."""

    is_sound: bool
    entries: int
    unchained: int
    dropped: int
    heads: int
    head: str
    problems: list[str]


class ListQuery(BaseModel):
    """What kind of list."""

    kind: FileKind = FileKind.CSV


class ImportQuery(ListQuery):
    """How a list is taken in."""

    dry_run: bool = Field(False, description="Only say what would become of each line.")


class ImportLine(Shown):
    """What becomes of a line; `problem` null: an account."""

    number: int
    email: str
    problem: str | None


class Import(BaseModel):
    """What a list makes. `made` is empty when it was only tried, or when a line is wrong: then nothing was done."""

    lines: list[ImportLine]
    made: list[Access]


class ManyPeople(Asked):
    """The same change of several accounts; `desktops` and `to` as with the deletion of one."""

    ids: list[Annotated[str, Field(max_length=64)]] = Field(min_length=1, max_length=500)
    change: Change
    desktops: DesktopsAnswer | None = None
    to: str | None = Field(None, max_length=64)


class PersonOutcome(BaseModel):
    """What became of one account: `problem` when it was refused, the one-time password when it has a new one."""

    user_id: str
    problem: Refusal | None
    one_time_password: str | None


class PeopleOutcomes(BaseModel):
    """What became of each."""

    items: list[PersonOutcome]
