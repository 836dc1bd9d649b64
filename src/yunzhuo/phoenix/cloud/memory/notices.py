"""Word of changes from the memory cloud: told truly, late or never, twice, or of what is not, as its faults will."""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.memory import store
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.faults import FaultKind, Plan
from yunzhuo.phoenix.cloud.memory.state import StateFile, Transaction
from yunzhuo.phoenix.cloud.notice_interface import Heard, Notice

_LOOK_SECONDS = 0.02
_NOBODY = "00000000-0000-4000-8000-000000000000"


class Notices:
    """See :class:`yunzhuo.phoenix.cloud.notice_interface.Notices`. What there is at the first call is no news.

    The fault FORGET keeps it from telling; LIE makes it tell of every server, twice, and of one that never was.
    """

    def __init__(self, gate: Gate, state: StateFile) -> None:
        self._gate = gate
        self._state = state
        self._listening = threading.Lock()
        self._known: Mapping[str, str] | None = None

    def listen(self, seconds: float) -> Heard:
        with self._listening:
            plan = self._gate.perform("notices.listen", _begin)
            end = time.monotonic() + seconds
            while True:
                heard = self._heard(plan)
                if heard.received or time.monotonic() >= end:
                    return heard
                self._gate.wait(_LOOK_SECONDS)

    def _heard(self, plan: Plan) -> Heard:
        with self._state.transaction() as transaction:
            now, present = transaction.now, _present(transaction)
        known, self._known = self._known, present
        if known is None or plan.has(FaultKind.FORGET):
            return Heard()
        changed = [each for each in sorted({*known, *present}) if known.get(each) != present.get(each)]
        if plan.has(FaultKind.LIE):
            changed = [_NOBODY, *sorted(present), *sorted(present)]
        sent_at = datetime.fromtimestamp(now, UTC)
        return Heard(tuple(Notice(server_id, sent_at) for server_id in changed), len(changed))


def _begin(transaction: Transaction, plan: Plan) -> Plan:
    if not transaction.options.tells_of_changes:
        raise CloudNotOffered("word of changes")
    return plan


def _present(transaction: Transaction) -> Mapping[str, str]:
    """Every server, and what a look at it would show."""
    records = store.read_servers(transaction)
    return {each.id: f"{each.status} {each.name} {each.host_id} {each.flavor_id} {each.fault}" for each in records}
