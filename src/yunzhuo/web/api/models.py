"""The API's JSON, as it is documented and checked. Times are ISO 8601 in UTC, sizes MiB, ids opaque text.

What comes in may have no fields that are not known: a misspelled one would be lost in silence.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, Field

from yunzhuo.services.access import Role
from yunzhuo.services.accounts import UserView
from yunzhuo.services.agent_book import AgentView
from yunzhuo.services.catalog import FlavorView, ImageView
from yunzhuo.services.consoles import Connection as ConnectionRight
from yunzhuo.services.consoles import ConsoleProtocol
from yunzhuo.services.desktop_views import MAX_PAGE, DesktopView, Order, Page
from yunzhuo.services.desktops import Accepted as AcceptedWish
from yunzhuo.services.desktops import RebootKind
from yunzhuo.services.guests import FileView
from yunzhuo.services.rules.lifecycle import Action, State, Wanted
from yunzhuo.web.api.operation_models import Operation, Owner
from yunzhuo.webkit.bodies import Asked, Id


class AskedAction(StrEnum):
    """What can be asked of a desktop. ``retry`` tries a failed creation again. Its owner's disk has addresses of its own."""

    START = "start"
    STOP = "stop"
    REBOOT = "reboot"
    SUSPEND = "suspend"
    RESUME = "resume"
    REBUILD = "rebuild"
    RESIZE = "resize"
    SNAPSHOT = "snapshot"
    ROLL_BACK = "roll_back"
    DELETE_SNAPSHOT = "delete_snapshot"
    ASSIGN_ADDRESS = "assign_address"
    RELEASE_ADDRESS = "release_address"
    RETRY = "retry"
    DELETE = "delete"
    FORCE_DELETE = "force_delete"


ACTIONS: dict[AskedAction, Action] = {
    asked: Action.CREATE if asked is AskedAction.RETRY else Action(asked.value) for asked in AskedAction
}
_ASKED: dict[Action, AskedAction] = {action: asked for asked, action in ACTIONS.items()}


class NewDesktop(Asked):
    """A wish for a desktop. Without a name it gets one after its image."""

    image: Id = Field(max_length=64, description="The id of an image.")
    flavor: Id = Field(max_length=64, description="The id of a flavor.")
    name: str | None = Field(None, description="1 to 64 visible characters.", examples=["Chemistry"])
    owner: Id | None = Field(None, max_length=64, description="For somebody else, by their id; for administrators.")


class DesktopChange(Asked):
    """What can be changed of a desktop at once."""

    name: str = Field(description="1 to 64 visible characters.", examples=["Physics"])


class DesktopAction(Asked):
    """A change that takes a while."""

    action: AskedAction
    kind: RebootKind = Field(RebootKind.SOFT, description="For reboot: soft asks the system inside, hard pulls the plug.")
    flavor: Id | None = Field(None, max_length=64, description="For resize: the id of the flavor.")
    image: Id | None = Field(None, max_length=64, description="For rebuild: the id of another image than the present one.")
    name: str | None = Field(None, description="For snapshot: 1 to 64 visible characters.", examples=["Before the exam"])
    snapshot: Id | None = Field(None, max_length=64, description="For roll_back and delete_snapshot: the id of the snapshot.")


class NewConnection(Asked):
    """A wish to see a desktop's screen."""

    protocol: ConsoleProtocol = Field(examples=["vnc"])
    view_only: bool = Field(False, description="Only to look: no keys, no mouse, nothing put into the clipboard.")


class NewClipboard(Asked):
    """Text for a desktop's clipboard."""

    text: str = Field(description="At most 1 MiB as UTF-8 (`[guests] clipboard_bytes`); empty empties it.")


class DesktopQuery(BaseModel):
    """Which desktops are listed."""

    limit: int = Field(50, ge=1, le=MAX_PAGE, description="How many at most.")
    cursor: str | None = Field(None, max_length=256, description="`next_cursor` of the page before.")
    q: str | None = Field(None, max_length=256, description="Part of a name.")
    state: State | None = Field(None, description="Only desktops in this state.")
    owner: str | None = Field(None, max_length=64, description="Only one person's, by their id.")
    sort: Order = Field(Order.CREATED, description="In what order.")
    descending: bool | None = Field(None, description="From the end; left out: the newest first, names from A.")


class CreateHeaders(BaseModel):
    """Headers of a wish for a desktop."""

    idempotency_key: str | None = Field(
        None, description="1 to 128 visible ASCII characters. The same key with the same wish answers as it did the first time."
    )


class EventQuery(BaseModel):
    """Where a stream of events begins."""

    last_event_id: int | None = Field(
        None, ge=0, le=2**63 - 1, description="Tell first what came after this event; the header Last-Event-ID goes before it."
    )


class User(BaseModel):
    """A person."""

    id: Id
    email: str
    role: Role
    language: str | None
    time_zone: str | None
    disabled: bool
    second_factor: bool
    service: bool
    created_at: datetime

    @classmethod
    def of(cls, view: UserView) -> Self:
        return cls(
            id=view.id,
            email=view.email,
            role=view.role,
            language=view.language,
            time_zone=view.time_zone,
            disabled=view.is_disabled,
            second_factor=view.has_second_factor,
            service=view.is_service,
            created_at=view.created_at,
        )


class Image(BaseModel):
    """A disk that desktops start from."""

    id: Id
    name: str
    version: str
    size_mib: int
    min_memory_mib: int
    min_disk_mib: int
    is_default: bool

    @classmethod
    def of(cls, view: ImageView) -> Self:
        return cls(
            id=view.id,
            name=view.name,
            version=view.version,
            size_mib=view.size_mib,
            min_memory_mib=view.min_memory_mib,
            min_disk_mib=view.min_disk_mib,
            is_default=view.is_default,
        )


class ImageList(BaseModel):
    """Images, the default one first."""

    items: list[Image]
    next_cursor: str | None


class Flavor(BaseModel):
    """A size that desktops can have."""

    id: Id
    name: str
    vcpus: int
    memory_mib: int
    disk_mib: int

    @classmethod
    def of(cls, view: FlavorView) -> Self:
        return cls(id=view.id, name=view.name, vcpus=view.vcpus, memory_mib=view.memory_mib, disk_mib=view.disk_mib)


class FlavorList(BaseModel):
    """Flavors, the smallest first."""

    items: list[Flavor]
    next_cursor: str | None


class Chosen(BaseModel):
    """What a desktop was made from."""

    id: Id
    name: str


class Agent(BaseModel):
    """What a desktop's agent said last; what is not known is null."""

    heard_at: datetime
    is_ready: bool = Field(description="Whether a person could work in it.")
    version: str
    load: float | None = Field(description="The last minute's, for each processor.")
    memory_mib: int | None
    memory_used_mib: int | None
    signed_in_since: datetime | None = Field(description="Null: nobody is signed in.")

    @classmethod
    def of(cls, view: AgentView) -> Self:
        return cls(**asdict(view))


class Desktop(BaseModel):
    """A desktop. ``state`` is what a person reads, ``operation`` the latest change, ``actions`` what may be asked now."""

    id: Id
    name: str
    hostname: str
    owner: Owner
    image: Chosen
    flavor: Chosen
    address: str | None = Field(description="Its floating IP; null: it has none, or it is still being made.")
    state: State
    wanted: Wanted
    fault: str | None = Field(description="The cloud's own word for what is wrong with the machine.")
    fault_code: str | None = Field(
        description="What the machine has lost, while nothing fails: memory_lost, only_disk.", examples=["memory_lost"]
    )
    observed_at: datetime | None = Field(description="When the cloud was last seen to speak of it.")
    created_at: datetime
    operation: Operation
    actions: list[AskedAction]
    server_name: str | None = Field(description="What the cloud calls its machine; for administrators.")
    host: str | None = Field(description="Where the cloud put it; for administrators.")
    ends_at: datetime | None = Field(None, description="When it is taken away; null: never.")
    is_ending: bool = Field(False, description="Its person was warned of that, and may put it off.")
    extensions_left: int = Field(0, description="How many times its person may put the end off.")
    bin_until: datetime | None = Field(None, description="In the bin until then.")
    renews_at: datetime | None = Field(
        None, description="From when it may be put onto another image while nobody uses it; null: it is not."
    )
    idle_until: datetime | None = Field(None, description="Nobody uses it: it is switched off or suspended then.")
    agent: Agent | None = Field(None, description="Null: no agent of it was ever heard of.")
    is_locked: bool = Field(False, description="An administrator has locked it: nobody changes it until it is unlocked.")

    @classmethod
    def of(cls, view: DesktopView) -> Self:
        return cls(
            id=view.id,
            name=view.name,
            hostname=view.hostname,
            owner=Owner(id=view.owner_id, email=view.owner_email),
            image=Chosen(id=view.image_id, name=view.image_name),
            flavor=Chosen(id=view.flavor_id, name=view.flavor_name),
            address=view.address,
            state=view.state,
            wanted=view.wanted,
            fault=view.fault,
            fault_code=view.fault_code,
            observed_at=view.observed_at,
            created_at=view.created_at,
            operation=Operation.of(view.operation),
            actions=sorted(_ASKED[action] for action in view.actions if action in _ASKED),
            server_name=view.server_name,
            host=view.host,
            ends_at=view.ends_at,
            is_ending=view.is_ending,
            extensions_left=view.extensions_left,
            bin_until=view.bin_until,
            renews_at=view.renews_at,
            idle_until=view.idle_until,
            agent=Agent.of(view.agent) if view.agent else None,
            is_locked=view.is_locked,
        )


class DesktopList(BaseModel):
    """Some desktops, the newest first."""

    items: list[Desktop]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page) -> Self:
        return cls(items=[Desktop.of(view) for view in page.items], next_cursor=page.next_cursor)


class Accepted(BaseModel):
    """A wish that was written down, and the operation that makes it true."""

    desktop: Desktop
    operation: Operation

    @classmethod
    def of(cls, accepted: AcceptedWish) -> Self:
        return cls(desktop=Desktop.of(accepted.desktop), operation=Operation.of(accepted.operation))


class Connection(BaseModel):
    """The right to open one session, once, until ``expires_at``: offer ``binary`` and ``subprotocol`` at ``url``. When its line
    breaks, ``resume_ticket`` (``resume_subprotocol``) opens it again, for ``resume_seconds`` after that."""

    id: Id
    protocol: ConsoleProtocol
    url: str = Field(examples=["ws://localhost:8081/v1/console"])
    ticket: str
    subprotocol: str = Field(examples=["ticket.q83v..."])
    resume_ticket: str
    resume_subprotocol: str = Field(examples=["ticket.4fG1..."])
    resume_seconds: int
    expires_at: datetime
    gateway: str = Field(examples=["local"], description="The gateway that the way leads through.")

    @classmethod
    def of(cls, right: ConnectionRight) -> Self:
        return cls(
            id=right.id,
            protocol=right.protocol,
            url=right.url,
            ticket=right.ticket,
            subprotocol=right.subprotocol,
            resume_ticket=right.resume_ticket,
            resume_subprotocol=right.resume_subprotocol,
            resume_seconds=right.resume_seconds,
            expires_at=right.expires_at,
            gateway=right.gateway,
        )


class Clipboard(BaseModel):
    """What a desktop's clipboard holds."""

    text: str


class File(BaseModel):
    """A file in a desktop's download folder."""

    name: str = Field(examples=["report.odt"])
    size_bytes: int
    modified_at: datetime

    @classmethod
    def of(cls, view: FileView) -> Self:
        return cls(name=view.name, size_bytes=view.size_bytes, modified_at=view.modified_at)


class FileList(BaseModel):
    """The files of a desktop's download folder, by name."""

    items: list[File]
    next_cursor: str | None

    @classmethod
    def of(cls, views: Sequence[FileView]) -> Self:
        return cls(items=[File.of(view) for view in views], next_cursor=None)
