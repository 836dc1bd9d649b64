"""What a desktop that is gone gives back, on every way out: snapshots, disk, address, tickets, sessions, its server's id."""

from datetime import datetime

from sqlalchemy import delete, update

from yunzhuo.phoenix.db.models import ConsoleSession, Desktop, Ticket
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.services import address_claims, agent_book, departures, disk_claims, kept_snapshots
from yunzhuo.services.rules.lifecycle import Wanted

END_REASON = "desktop_deleted"


def release_all(tx: Transaction, desktop: Desktop, now: datetime) -> None:
    """Make the desktop one that is gone. Its address on the network and its disk went with its server."""
    address_claims.let_go(tx, desktop, now)
    departures.note(tx, desktop, now)
    desktop.deleted_at, desktop.wanted = now, Wanted.GONE
    desktop.server_id = desktop.host = None
    kept_snapshots.forget_all(tx, desktop.id)
    disk_claims.let_go(tx, desktop.id)
    agent_book.forget(tx, desktop.id)
    tx.execute(delete(Ticket).where(Ticket.desktop_id == desktop.id, Ticket.redeemed_at.is_(None)))
    tx.execute(
        update(ConsoleSession)
        .where(ConsoleSession.desktop_id == desktop.id, ConsoleSession.ended_at.is_(None))
        .values(ended_at=now, end_reason=END_REASON)
    )
