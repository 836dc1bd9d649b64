"""Keeping the audit log: entries get their place in the chain, its head is written out, and old entries are dropped.

Entries are written by whoever does something, many at once, and never wait for each other. A moment later one keeper after
the other (the chain's row is locked) gives the new ones the next sequences and hashes; see docs/adr/0016-audit-chain.md.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.config.settings import AuditSettings
from yunzhuo.phoenix.db.models import AuditChain, AuditEntry
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.rules.chain import link
from yunzhuo.services.stated import needs

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain ended at a time."""

    at: datetime
    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What checking the chain found. ``problems`` empty: nothing was changed, removed or put in between.

    ``unchained`` are entries of the last moments that have no place yet; ``dropped`` how many were dropped for their age.
    """

    entries: int
    unchained: int
    dropped: int
    heads: int
    head: str
    problems: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether the chain holds."""
        return not self.problems


class AuditKeeper:
    """Seals, verifies, writes out and shortens the chain. Two keepers at once are harmless: one waits for the other."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock, settings: AuditSettings, heads_file: Path) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._settings = settings
        self._heads_file = heads_file

    def seal(self) -> int:
        """Give entries without a place theirs, oldest first; answers how many there were."""
        sealed = 0
        while True:
            with self._db.reading() as tx:
                if tx.scalar(select(AuditEntry.id).where(AuditEntry.sequence.is_(None)).limit(1)) is None:
                    return sealed
            sealed += self._seal_some()

    @retried_when_contended
    def _seal_some(self) -> int:
        with self._db.transaction() as tx:
            chain = tx.get_one(AuditChain, 1, with_for_update=True)
            fresh = select(AuditEntry).where(AuditEntry.sequence.is_(None)).order_by(AuditEntry.id).limit(_BATCH)
            entries = tx.scalars(fresh).all()
            for entry in entries:
                entry.sequence = chain.head_sequence + 1
                entry.chain_hash = link(chain.head_hash, entry.sequence, as_chained(entry))
                chain.head_sequence, chain.head_hash = entry.sequence, entry.chain_hash
            return len(entries)

    def export_head(self) -> bool:
        """Append the chain's head to the file of heads, once a day; answers whether it did.

        Who keeps a copy of that file elsewhere can tell later whether the database was rewritten.
        """
        now = self._clock.now()
        last = max((head.at for head in self._heads()), default=None)
        if last is not None and last.date() >= now.date():
            return False
        self.seal()
        with self._db.reading() as tx:
            chain = tx.get_one(AuditChain, 1)
        line = json.dumps({"at": now.isoformat(), "sequence": chain.head_sequence, "hash": chain.head_hash})
        self._heads_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._heads_file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        return True

    @retried_when_contended
    def prune(self) -> int:
        """Drop entries older than the settings say, from the chain's beginning; answers how many.

        What is dropped is said in an entry of its own, with the hash up to which; so the rest can be verified on.
        """
        if not self._settings.keep_days:
            return 0
        before = self._clock.now() - timedelta(days=self._settings.keep_days)
        with self._db.transaction() as tx:
            chain = tx.get_one(AuditChain, 1, with_for_update=True)
            young = select(func.min(AuditEntry.sequence)).where(AuditEntry.sequence.is_not(None), AuditEntry.at >= before)
            first_kept = tx.scalar(young)
            base = (first_kept - 1) if first_kept is not None else chain.head_sequence
            if base <= chain.base_sequence:
                return 0
            last = tx.scalars(select(AuditEntry).where(AuditEntry.sequence == base)).one()
            organization_id, base_hash = last.organization_id, str(last.chain_hash)
            gone = tx.execute(delete(AuditEntry).where(AuditEntry.sequence <= base))
            chain.base_sequence, chain.base_hash = base, base_hash
            count = int(getattr(gone, "rowcount", 0))
            after = {"entries": count, "up_to": base, "link": base_hash}
            self._audit.record(tx, None, "audit:prune", "audit", None, organization_id=organization_id, after=after)
            return count

    @needs("audit:verify")
    def verify_for(self, actor: Actor) -> Verification:
        """As :meth:`verify`, for whoever may check the whole installation's log."""
        return self.verify()

    def verify(self) -> Verification:
        """Compute every hash anew, compare the ends of the chain, and the heads that were written out."""
        with self._db.reading() as tx:
            chain = tx.get_one(AuditChain, 1)
            unchained = tx.scalar(select(func.count()).where(AuditEntry.sequence.is_(None))) or 0
            heads = {head.sequence: head.hash for head in self._heads() if head.sequence > chain.base_sequence}
            checked, problems = _check(tx, chain, heads)
            exported = len(heads)
        return Verification(checked, unchained, chain.base_sequence, exported, chain.head_hash, tuple(problems))

    def _heads(self) -> Iterator[Head]:
        if not self._heads_file.exists():
            return
        with self._heads_file.open(encoding="utf-8") as lines:
            for line in lines:
                told = json.loads(line)
                yield Head(datetime.fromisoformat(told["at"]), told["sequence"], told["hash"])


def as_chained(entry: AuditEntry) -> Mapping[str, object]:
    """What of an entry is hashed: all of it, as plain JSON."""
    return {
        "id": entry.id,
        "organization": entry.organization_id,
        "actor": entry.actor_id,
        "owner": entry.owner_id,
        "verb": entry.verb,
        "object_type": entry.object_type,
        "object": entry.object_id,
        "outcome": entry.outcome,
        "before": entry.before,
        "after": entry.after,
        "client_address": entry.client_address,
        "request_id": entry.request_id,
        "at": entry.at.isoformat(timespec="microseconds"),
    }


def _check(tx: Session, chain: AuditChain, heads: Mapping[int, str]) -> tuple[int, list[str]]:
    """How many entries were checked, and what is wrong; after the first break nothing more is said of the entries."""
    sequence, known_hash, checked = chain.base_sequence, chain.base_hash, 0
    query = select(AuditEntry).where(AuditEntry.sequence > chain.base_sequence).order_by(AuditEntry.sequence)
    for entry in tx.scalars(query.execution_options(yield_per=_BATCH)):
        if entry.sequence != sequence + 1:
            return checked, [f"Entries {sequence + 1} to {int(entry.sequence or 0) - 1} are missing."]
        sequence += 1
        known_hash = link(known_hash, sequence, as_chained(entry))
        if entry.chain_hash != known_hash:
            return checked, [f"Entry {sequence} is not what it was, or another stands in its place."]
        if sequence in heads and heads[sequence] != known_hash:
            return checked, [f"Up to entry {sequence} the log is not the one whose head was written out."]
        checked += 1
        tx.expunge(entry)
    problems = []
    if (sequence, known_hash) != (chain.head_sequence, chain.head_hash):
        problems.append(f"The chain ends at entry {sequence}, and should at {chain.head_sequence}.")
    if heads and max(heads) > sequence:
        problems.append(f"A head was written out at entry {max(heads)}, which is not there.")
    return checked, problems
