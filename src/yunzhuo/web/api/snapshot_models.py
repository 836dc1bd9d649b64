"""The API's JSON of snapshots and of a desktop's history."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from yunzhuo.services.desktop_views import MAX_PAGE
from yunzhuo.services.history import HistoryEntry, HistoryPage
from yunzhuo.services.snapshots import SnapshotList as KeptSnapshots
from yunzhuo.services.snapshots import SnapshotView
from yunzhuo.web.api.operation_models import Operation, Owner
from yunzhuo.webkit.bodies import Asked, Id


class NewSnapshot(Asked):
    """A wish for a snapshot."""

    name: str = Field(description="1 to 64 visible characters, not the name of another of the desktop's.", examples=["Before"])


class Snapshot(BaseModel):
    """A state that a desktop can be rolled back to. ``is_kept`` is false while it is being made."""

    id: Id
    name: str
    has_memory: bool = Field(description="Whether what ran then runs on after a roll back.")
    size_mib: int
    created_at: datetime
    is_kept: bool

    @classmethod
    def of(cls, view: SnapshotView) -> Self:
        return cls(
            id=view.id,
            name=view.name,
            has_memory=view.has_memory,
            size_mib=view.size_mib,
            created_at=view.created_at,
            is_kept=view.is_kept,
        )


class SnapshotList(BaseModel):
    """A desktop's snapshots, the newest first; ``limit`` is how many there may be."""

    items: list[Snapshot]
    next_cursor: str | None
    limit: int

    @classmethod
    def of(cls, found: KeptSnapshots) -> Self:
        return cls(items=[Snapshot.of(view) for view in found.items], next_cursor=None, limit=found.limit)


class HistoryQuery(BaseModel):
    """Which part of a history is listed."""

    limit: int = Field(50, ge=1, le=MAX_PAGE, description="How many at most.")
    cursor: str | None = Field(None, max_length=256, description="`next_cursor` of the page before.")


class PastOperation(Operation):
    """An operation with who asked for it; ``subject`` is the name of the snapshot it was about."""

    user: Owner
    subject: str | None

    @classmethod
    def of_entry(cls, entry: HistoryEntry) -> Self:
        user = Owner(id=entry.user_id, email=entry.user_email)
        return cls(**dict(Operation.of(entry.operation)), user=user, subject=entry.subject)


class History(BaseModel):
    """Some of a desktop's operations, the newest first."""

    items: list[PastOperation]
    next_cursor: str | None

    @classmethod
    def of(cls, page: HistoryPage) -> Self:
        return cls(items=[PastOperation.of_entry(entry) for entry in page.items], next_cursor=page.next_cursor)
