"""Servers that desktops had: remembered, so that what the cloud keeps in their name is known to have been ours."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.db.models import DepartedServer, Desktop
from yunzhuo.phoenix.db.session import Transaction

#: What was left for longer than this has been looked at a thousand times.
KEEP = timedelta(days=30)
_AT_ONCE = 500


def note(tx: Transaction, desktop: Desktop, now: datetime) -> None:
    """The desktop has its present server no more."""
    if desktop.server_id is not None and tx.get(DepartedServer, desktop.server_id) is None:
        tx.add(DepartedServer(server_id=desktop.server_id, desktop_id=desktop.id, departed_at=now))


def among(tx: Session, server_ids: Sequence[str]) -> Mapping[str, str]:
    """Of these the servers that desktops had, and which desktops."""
    found: dict[str, str] = {}
    for start in range(0, len(server_ids), _AT_ONCE):
        part = server_ids[start : start + _AT_ONCE]
        query = select(DepartedServer.server_id, DepartedServer.desktop_id).where(DepartedServer.server_id.in_(part))
        found |= {row.server_id: row.desktop_id for row in tx.execute(query)}
    return found
