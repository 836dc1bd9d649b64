"""The API's JSON of operations, and what all of it is made of."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from yunzhuo.services.changes import Failure, OperationView, StepView
from yunzhuo.services.changes import QueuePlace as Place
from yunzhuo.services.desktop_views import MAX_PAGE
from yunzhuo.services.operation_desk import MAX_AT_ONCE, Dealt, RecordPage
from yunzhuo.services.operation_desk import OperationRecord as FoundRecord
from yunzhuo.services.operation_desk import Trace as FoundTrace
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, Step
from yunzhuo.services.rules.remedies import Remedy
from yunzhuo.webkit.bodies import Asked, Id
from yunzhuo.webkit.statuses import problem_of


class Owner(BaseModel):
    """Whose a desktop is."""

    id: Id
    email: str


class OperationError(BaseModel):
    """Why an operation failed."""

    code: str = Field(examples=["no_capacity"])
    message: str

    @classmethod
    def of(cls, failure: Failure) -> Self:
        return cls(code=failure.code, message=failure.message)


class OperationStep(BaseModel):
    """One step of an operation."""

    name: Step
    status: OperationStatus
    started_at: datetime | None
    ended_at: datetime | None
    detail: str | None

    @classmethod
    def of(cls, view: StepView) -> Self:
        return cls(name=view.name, status=view.status, started_at=view.started_at, ended_at=view.ended_at, detail=view.detail)


class QueuePlace(BaseModel):
    """Where an operation stands while it waits to be let in."""

    position: int = Field(description="How many are let in until it is this one's turn, itself counted.")
    length: int = Field(description="How many wait.")
    expected_seconds: float | None = Field(description="For about how long; null when nothing has ended yet that would tell.")

    @classmethod
    def of(cls, place: Place) -> Self:
        return cls(position=place.position, length=place.length, expected_seconds=place.expected_seconds)


class Operation(BaseModel):
    """One change of a desktop, being made or made. ``position`` counts the steps that are done.

    ``queue`` is null unless it waits to be let in; ``remedies`` is what can be done about it now.
    """

    id: Id
    desktop_id: Id
    action: Action
    status: OperationStatus
    position: int
    steps: list[OperationStep]
    error: OperationError | None
    note_code: str | None = Field(description="What was lost by it, or later of what it had made; see `fault_code`.")
    created_at: datetime
    ended_at: datetime | None
    queue: QueuePlace | None
    remedies: list[Remedy]

    @classmethod
    def of(cls, view: OperationView) -> Self:
        return cls(
            id=view.id,
            desktop_id=view.desktop_id,
            action=view.action,
            status=view.status,
            position=view.position,
            steps=[OperationStep.of(step) for step in view.steps],
            error=OperationError.of(view.error) if view.error else None,
            note_code=view.note_code,
            created_at=view.created_at,
            ended_at=view.ended_at,
            queue=QueuePlace.of(view.queue) if view.queue else None,
            remedies=sorted(view.remedies),
        )


class OperationQuery(BaseModel):
    """Which operations are listed."""

    limit: int = Field(50, ge=1, le=MAX_PAGE, description="How many at most.")
    cursor: str | None = Field(None, max_length=256, description="`next_cursor` of the page before.")
    status: OperationStatus | None = Field(None, description="Only those that stand there.")
    active: bool = Field(False, description="Only those that have not ended.")
    action: Action | None = Field(None, description="Only those that do this.")
    desktop: str | None = Field(None, max_length=64, description="Only one desktop's, by its id.")
    q: str | None = Field(None, max_length=256, description="Part of a desktop's name, or of its owner's or asker's address.")


class Trace(BaseModel):
    """What administrators are told besides. ``cloud_request_ids`` and ``hosts`` (those that failed): by the step's position."""

    attempts: int
    worker: str | None
    lease_expires_at: datetime | None
    due_at: datetime
    deadline_at: datetime
    admitted_at: datetime | None
    host: str | None
    error_detail: str | None
    cloud_request_ids: dict[int, str]
    hosts: dict[int, str]

    @classmethod
    def of(cls, trace: FoundTrace) -> Self:
        return cls(
            attempts=trace.attempts,
            worker=trace.worker,
            lease_expires_at=trace.lease_expires_at,
            due_at=trace.due_at,
            deadline_at=trace.deadline_at,
            admitted_at=trace.admitted_at,
            host=trace.host,
            error_detail=trace.error_detail,
            cloud_request_ids=dict(trace.cloud_request_ids),
            hosts=dict(trace.hosts),
        )


class OperationRecord(Operation):
    """An operation with whose desktop it changes and who asked; ``trace`` is null for all but administrators."""

    desktop_name: str
    owner_email: str
    user: Owner
    subject: str | None = Field(description="The name of the snapshot it is about.")
    trace: Trace | None

    @classmethod
    def of_record(cls, record: FoundRecord) -> Self:
        return cls(
            **dict(Operation.of(record.operation)),
            desktop_name=record.desktop_name,
            owner_email=record.owner_email,
            user=Owner(id=record.user_id, email=record.user_email),
            subject=record.subject,
            trace=Trace.of(record.trace) if record.trace else None,
        )


class OperationList(BaseModel):
    """Some operations, the newest first."""

    items: list[OperationRecord]
    next_cursor: str | None

    @classmethod
    def of(cls, page: RecordPage) -> Self:
        return cls(items=[OperationRecord.of_record(record) for record in page.items], next_cursor=page.next_cursor)


_Ids = Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=MAX_AT_ONCE)]


class ManyOperations(Asked):
    """What is done about several operations."""

    ids: _Ids
    action: Remedy = Field(description="cancel, retry or undo.")


class Refusal(BaseModel):
    """Why one of several wishes was refused."""

    status: int = Field(examples=[409])
    code: str = Field(examples=["not_possible_now"])
    detail: str


class OperationResult(BaseModel):
    """What became of the wish about one operation: the operation that came of it, or a problem."""

    id: Id
    operation: Operation | None
    problem: Refusal | None

    @classmethod
    def of(cls, dealt: Dealt) -> Self:
        problem = problem_of(dealt.refusal) if dealt.refusal else None
        return cls(
            id=dealt.operation_id,
            operation=Operation.of(dealt.operation) if dealt.operation else None,
            problem=Refusal(status=problem.status, code=problem.code, detail=problem.detail) if problem else None,
        )


class OperationResults(BaseModel):
    """What became of each, in the order asked."""

    results: list[OperationResult]
