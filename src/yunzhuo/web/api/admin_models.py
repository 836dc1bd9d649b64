"""The API's JSON for administrators: people, changes of many desktops, hosts, what is broken now."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, Field

from yunzhuo.services.access import Role
from yunzhuo.services.changes import OperationView
from yunzhuo.services.overview import HostView, Stranger
from yunzhuo.services.overview import Overview as FoundOverview
from yunzhuo.services.people import MAX_PAGE, NewAccess, PeoplePage
from yunzhuo.services.people import Person as FoundPerson
from yunzhuo.web.api.models import Desktop, User
from yunzhuo.web.api.operation_models import Operation, Refusal
from yunzhuo.webkit.bodies import Asked, Id
from yunzhuo.webkit.statuses import problem_of


class PeopleQuery(BaseModel):
    """Which accounts are listed."""

    limit: int = Field(50, ge=1, le=MAX_PAGE, description="How many at most.")
    cursor: str | None = Field(None, max_length=512, description="`next_cursor` of the page before.")
    q: str | None = Field(None, max_length=256, description="Part of an address.")
    role: Role | None = Field(None, description="Only people with this role.")
    disabled: bool | None = Field(None, description="Only accounts that are disabled, or only those that are not.")


class NewUser(Asked):
    """An account to be made. Without a password a one-time one is made, to be changed at the first sign-in."""

    email: str = Field(max_length=320, examples=["lin@school.local"])
    role: Role = Role.USER
    password: str | None = Field(None, max_length=1024, examples=["correct horse battery"])


class UserChange(Asked):
    """What can be changed of an account; what is left out stays."""

    role: Role | None = None
    disabled: bool | None = Field(None, description="True ends the account's sessions and tokens at once.")


class ProfileChange(Asked):
    """What people change of their own account; what is left out stays."""

    language: str | None = Field(None, max_length=32, examples=["zh_CN"])
    time_zone: str | None = Field(None, max_length=64, examples=["Asia/Shanghai"])


class DesktopsAnswer(StrEnum):
    """What happens to the desktops of an account that is deleted."""

    DELETE = "delete"
    HAND_OVER = "hand_over"


class UserDeletion(BaseModel):
    """How an account is deleted. An account with desktops or a personal disk is not deleted without an answer."""

    desktops: DesktopsAnswer | None = Field(None, description="What happens to the account's desktops.")
    to: str | None = Field(None, max_length=64, description="With `hand_over`: the id of their new owner.")
    personal_disk: Literal["delete"] | None = Field(None, description="Needed when the account has a personal disk.")


class Person(User):
    """An account as administrators see it."""

    desktops: int = Field(description="How many desktops it has.")
    personal_disk_mib: int | None = Field(description="How large its personal disk is; told of one account only, not in lists.")

    @classmethod
    def of_person(cls, person: FoundPerson) -> Self:
        return cls(**User.of(person.user).model_dump(), desktops=person.desktops, personal_disk_mib=person.disk_mib)


class PersonList(BaseModel):
    """Some accounts, by address."""

    items: list[Person]
    next_cursor: str | None

    @classmethod
    def of(cls, page: PeoplePage) -> Self:
        return cls(items=[Person.of_person(person) for person in page.items], next_cursor=page.next_cursor)


class Access(BaseModel):
    """An account and its one-time password, told this once; null when the password was given."""

    user: User
    one_time_password: str | None = Field(examples=["7qkd-m2xw-p9ra-hf3t"])

    @classmethod
    def of(cls, made: NewAccess) -> Self:
        return cls(user=User.of(made.user), one_time_password=made.one_time_password)


class DeletedUser(BaseModel):
    """The operations that delete the desktops of an account that is deleted."""

    operations: list[Operation]

    @classmethod
    def of(cls, operations: Sequence[OperationView]) -> Self:
        return cls(operations=[Operation.of(operation) for operation in operations])


class Host(BaseModel):
    """A hypervisor and what is left on it; `disk_mib` 0: the cloud does not say how large its disk is."""

    id: Id
    name: str
    accelerator: str
    vcpus: int
    memory_mib: int
    memory_free_mib: int
    disk_mib: int
    disk_free_mib: int
    servers: int
    room_for: int = Field(description="How many desktops of the smallest size still fit by memory.")
    problems: list[str]
    is_enabled: bool = Field(description="Whether new servers may come.")
    is_up: bool = Field(description="Whether it was heard of lately.")
    is_forced_down: bool = Field(description="Whether somebody has said that it is down.")
    zone: str
    aggregates: list[str]

    @classmethod
    def of(cls, view: HostView) -> Self:
        return cls(
            id=view.id,
            name=view.name,
            accelerator=view.accelerator,
            vcpus=view.vcpus,
            memory_mib=view.memory_mib,
            memory_free_mib=view.memory_free_mib,
            disk_mib=view.disk_mib,
            disk_free_mib=view.disk_free_mib,
            servers=view.servers,
            room_for=view.room_for,
            problems=list(view.problems),
            is_enabled=view.is_enabled,
            is_up=view.is_up,
            is_forced_down=view.is_forced_down,
            zone=view.zone,
            aggregates=list(view.aggregates),
        )


class HostList(BaseModel):
    """Hosts."""

    items: list[Host]
    next_cursor: str | None


class StrangeServer(BaseModel):
    """A server in the cloud with a tag of our kind and no desktop; it is never touched."""

    server_id: str
    name: str
    desktop_id: str
    host: str

    @classmethod
    def of(cls, stranger: Stranger) -> Self:
        return cls(server_id=stranger.server_id, name=stranger.name, desktop_id=stranger.desktop_id, host=stranger.host)


class Figures(BaseModel):
    """How many there are of what."""

    desktops: int
    running: int
    people: int
    sessions_open: int


class Overview(BaseModel):
    """What is broken now. `ok` is true when nothing is; `not_ready` is what `/readyz` says."""

    ok: bool
    figures: Figures
    not_ready: dict[str, str]
    lacks: dict[str, str] = Field(description="Why no new desktop can be made, although the rest works, by code.")
    failed: list[Desktop] = Field(description="Desktops whose latest operation failed.")
    faulty: list[Desktop] = Field(description="Desktops in error without a failed operation.")
    gone: list[Desktop] = Field(description="Desktops whose server the cloud no longer has.")
    strangers: list[StrangeServer]
    hosts: list[Host]
    cloud_problem: Refusal | None
    late_timers: list[str] = Field(description="Timers of the schedulers that do not keep time, or fail.")
    late_schedules: list[str] = Field(description="Schedules that have been due for more than a minute.")

    @classmethod
    def of(cls, found: FoundOverview) -> Self:
        problem = problem_of(found.cloud_problem) if found.cloud_problem else None
        figures = found.figures
        return cls(
            ok=found.is_well,
            figures=Figures(
                desktops=figures.desktops, running=figures.running, people=figures.people, sessions_open=figures.sessions_open
            ),
            not_ready=dict(found.not_ready),
            lacks=dict(found.lacks),
            failed=[Desktop.of(view) for view in found.failed],
            faulty=[Desktop.of(view) for view in found.faulty],
            gone=[Desktop.of(view) for view in found.gone],
            strangers=[StrangeServer.of(stranger) for stranger in found.strangers],
            hosts=[Host.of(host) for host in found.hosts],
            cloud_problem=Refusal(status=problem.status, code=problem.code, detail=problem.detail) if problem else None,
            late_timers=list(found.late_timers),
            late_schedules=list(found.late_schedules),
        )
