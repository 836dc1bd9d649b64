"""Servers that desktops had: remembered, so that what the cloud keeps in their name is known to have been ours."""

from datetime import datetime, timedelta

from yunzhuo.phoenix.db.models import DepartedServer, Desktop
from yunzhuo.phoenix.db.session import Transaction

#: What was left for longer than this has been looked at a thousand times.
KEEP = timedelta(days=30)


def note(tx: Transaction, desktop: Desktop, now: datetime) -> None:
    """The desktop has its present server no more."""
    if desktop.server_id is not None and tx.get(DepartedServer, desktop.server_id) is None:
        tx.add(DepartedServer(server_id=desktop.server_id, desktop_id=desktop.id, departed_at=now))
