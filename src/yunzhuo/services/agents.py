"""Desktops' agents: which may come in, what they say of their desktops, and which desktop a server is.

Used by the process that they call (``web/agents.py``); nobody has rights here but a desktop's own key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import NotFound, NotSignedIn
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.models import Desktop, GuestAgent
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.agent_keys import AgentKey, AgentKeys
from yunzhuo.services.audit import DONE, REFUSED, AuditLog
from yunzhuo.services.rules.agent_words import Status

log = get_logger()

ARRIVED = "agent:arrive"
_MOST_REFUSALS_NOTED = 10_000


@dataclass(frozen=True, slots=True)
class Heard:
    """What an agent said of its desktop."""

    desktop_id: str
    boot: str
    version: str
    status: Status
    at: datetime


@dataclass(frozen=True, slots=True)
class AgentPlace:
    """The desktop of a server: whose keys count now, and which boot of it has been ended.

    ``was_heard``: whether an agent of it has ever come.
    """

    desktop_id: str
    issues: frozenset[str]
    left_boot: str | None
    was_heard: bool


class AgentService:
    """Lets agents in, and writes down what they say."""

    def __init__(self, db: Database, keys: AgentKeys, audit: AuditLog, clock: Clock) -> None:
        self._db = db
        self._keys = keys
        self._audit = audit
        self._clock = clock
        self._noted: set[AgentKey] = set()

    @property
    def line_secret(self) -> str:
        """What our own processes show."""
        return self._keys.line_secret()

    def known(self, key: str) -> AgentKey:
        """What a key says, without a look at anything. Raises NotSignedIn for one that we did not make."""
        found = self._keys.read(key)
        if found is None:
            raise _refused()
        return found

    def admit(self, key: AgentKey) -> None:
        """Whether a key of ours counts now. Raises NotSignedIn for that of another issue, or of a desktop that is gone."""
        with self._db.reading() as tx:
            row = tx.get(GuestAgent, key.desktop_id)
            counts = row is not None and key.issue in _issues(row)
            is_next = row is not None and key.issue == row.next_issue
        if not counts:
            self._note_refusal(key)
            raise _refused()
        if is_next:
            self._promote(key)

    @retried_when_contended
    def arrived(self, heard: Heard) -> None:
        """A system of a desktop speaks for the first time since its start: on record, and written down at once."""
        with self._db.transaction() as tx:
            row = tx.get(GuestAgent, heard.desktop_id, with_for_update=True)
            desktop = tx.get(Desktop, heard.desktop_id)
            if row is None or desktop is None:
                return
            if row.boot != heard.boot:
                self._record(tx, desktop, {"boot": heard.boot, "version": heard.version})
            _write(row, heard)

    @retried_when_contended
    def heard(self, said: Sequence[Heard]) -> None:
        """What many agents said, in one transaction."""
        by_id = {each.desktop_id: each for each in said}
        with self._db.transaction() as tx:
            query = select(GuestAgent).where(GuestAgent.desktop_id.in_(by_id)).order_by(GuestAgent.desktop_id)
            for row in tx.scalars(query.with_for_update()):
                _write(row, by_id[row.desktop_id])

    def place_of(self, server_id: str) -> AgentPlace:
        """The desktop of a server. Raises NotFound: there is none, or it was never given a key."""
        with self._db.reading() as tx:
            row = _of_server(tx, server_id)
            if row is None:
                raise NotFound("no_agent", "No agent was ever expected in this server.")
            return AgentPlace(row.desktop_id, _issues(row), row.left_boot, row.heard_at is not None)

    def now(self) -> datetime:
        """The time, as it is written down."""
        return self._clock.now()

    @retried_when_contended
    def _promote(self, key: AgentKey) -> None:
        """The desktop has the new key, so nobody needs the one before any more."""
        with self._db.transaction() as tx:
            row = tx.get(GuestAgent, key.desktop_id, with_for_update=True)
            if row is not None and row.next_issue == key.issue:
                row.issue, row.next_issue = key.issue, None

    def _note_refusal(self, key: AgentKey) -> None:
        """On record once for each key: whoever knocks with it knocks again and again."""
        log.warning("agent_refused", desktop_id=key.desktop_id)
        if key in self._noted or len(self._noted) >= _MOST_REFUSALS_NOTED:
            return
        self._noted.add(key)
        self._record_refusal(key)

    @retried_when_contended
    def _record_refusal(self, key: AgentKey) -> None:
        with self._db.transaction() as tx:
            desktop = tx.get(Desktop, key.desktop_id)
            if desktop is not None:
                self._record(tx, desktop, {"code": "unknown_agent"}, outcome=REFUSED)

    def _record(self, tx: Transaction, desktop: Desktop, after: Mapping[str, object], *, outcome: str = DONE) -> None:
        organization, owner = desktop.organization_id, desktop.owner_id
        self._audit.record(
            tx,
            None,
            ARRIVED,
            "desktop",
            desktop.id,
            organization_id=organization,
            owner_id=owner,
            outcome=outcome,
            after=after,
        )


def same_words(one: Heard, other: Heard) -> bool:
    """Whether two say the same but for small changes of what always changes a little."""
    return one.boot == other.boot and _rounded(one.status) == _rounded(other.status)


def _rounded(status: Status) -> Status:
    load = None if status.load is None else round(status.load, 1)
    used = None if status.memory_used_mib is None else status.memory_used_mib // 64
    return status.model_copy(update={"load": load, "memory_used_mib": used})


def _of_server(tx: Session, server_id: str) -> GuestAgent | None:
    query = select(GuestAgent).join(Desktop, Desktop.id == GuestAgent.desktop_id).where(Desktop.server_id == server_id)
    return tx.scalars(query).first()


def _issues(row: GuestAgent) -> frozenset[str]:
    return frozenset({row.issue} if row.next_issue is None else {row.issue, row.next_issue})


def _write(row: GuestAgent, heard: Heard) -> None:
    row.boot, row.version, row.heard_at = heard.boot, heard.version, heard.at
    status = heard.status
    row.is_ready, row.load, row.signed_in_since = status.is_ready, status.load, status.signed_in_at
    row.memory_mib, row.memory_used_mib = status.memory_mib, status.memory_used_mib


def _refused() -> NotSignedIn:
    return NotSignedIn("unknown_agent", "No desktop has this key.")
