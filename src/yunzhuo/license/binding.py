"""Which host an installation is bound to: the first one, and moving to another. In the transaction of whoever asks."""

from typing import Any

from sqlalchemy import select

from yunzhuo.license.issuing import Issuer, highest_serial
from yunzhuo.license.models import LicensedInstallation
from yunzhuo.license.rules import Act, State, after
from yunzhuo.phoenix.common.errors import Conflict
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.phoenix.security.host_info import HostInfo


def bind(tx: Transaction, issuer: Issuer, row: LicensedInstallation, said: HostInfo) -> None:
    """The first host of an installation, or the same once more; it gets a license. Raises Conflict."""
    if row.state == State.ACTIVE:  # the same key: a newer build, another name of the computer
        _keep(tx, row, said)
        issuer.issue(tx, row, Act.ISSUE.value)
        return
    row.state = after(State(row.state), Act.BIND)
    _keep(tx, row, said)
    row.state = after(State(row.state), Act.ISSUE)
    issuer.issue(tx, row, Act.ISSUE.value)


def move(tx: Transaction, issuer: Issuer, row: LicensedInstallation, said: HostInfo) -> None:
    """Another host: the license of the one before is withdrawn, the new one gets the next. Raises Conflict."""
    row.state = after(State(row.state), Act.MOVE)
    count_move(row)
    issuer.issue(tx, row, "moved_away", is_withdrawn=True)
    _keep(tx, row, said)
    row.line_digest = row.line_before_digest = row.clone_seen_at = None
    issuer.issue(tx, row, Act.MOVE.value)


def count_move(row: LicensedInstallation) -> None:
    """One move more. Raises Conflict when there were as many as are allowed."""
    if row.moves >= row.moves_allowed:
        raise Conflict("moved_too_often", f"It was moved {row.moves} times; no more is allowed.", moves=row.moves)
    row.moves += 1


def _keep(tx: Transaction, row: LicensedInstallation, said: HostInfo) -> None:
    other = select(LicensedInstallation.id).where(LicensedInstallation.key_id == said.key_id, LicensedInstallation.id != row.id)
    if tx.scalar(other) is not None:
        raise Conflict("host_taken", "This host belongs to another installation.")
    row.key_id, row.host = said.key_id, host_of(said)
    # A computer takes no lower serial than it has seen, be it of another installation that was here before.
    row.serial = max(row.serial, highest_serial(tx, said.key_id))
    row.code_digest = None  # however it came, the code has done its duty


def host_of(said: HostInfo) -> dict[str, Any]:
    """What is kept of a host."""
    return {
        "host_name": said.host_name,
        "machine": said.machine,
        "yunzhuo": said.yunzhuo,
        "vendor_keys": list(said.vendor_keys),
    }
