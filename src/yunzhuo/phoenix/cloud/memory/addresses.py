"""Floating IPs: addresses on an external network, each led to one server at most."""

from collections.abc import Sequence
from dataclasses import replace

from yunzhuo.phoenix.cloud.errors import FloatingIpBusy, FloatingIpNotFound, NoCapacity, ServerBusy
from yunzhuo.phoenix.cloud.memory import projects, store
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.faults import FaultKind, Plan
from yunzhuo.phoenix.cloud.memory.networks import choose_external, next_address
from yunzhuo.phoenix.cloud.memory.records import as_server, as_time
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.project_resources import QuotaKind
from yunzhuo.phoenix.cloud.resources import FloatingIp

_COLUMNS = "id, address_id, address, network_id, server_id, created_at, led_to"


class Addresses:
    """See :class:`yunzhuo.phoenix.cloud.interface.Addresses`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def create(self, address_id: str, *, network_id: str | None = None, project_id: str | None = None) -> FloatingIp:
        return self._gate.perform(
            "addresses.create",
            lambda transaction, _: _create(transaction, address_id, network_id, project_id),
            subject=address_id,
        )

    def find(self, address_id: str, project_id: str | None = None) -> FloatingIp | None:
        def look(transaction: Transaction, plan: Plan) -> FloatingIp | None:
            found = _find(transaction, plan, address_id)
            return found if projects.project_of(transaction, address_id) == project_id else None

        return self._gate.perform("addresses.find", look, subject=address_id)

    def list(self) -> Sequence[FloatingIp]:
        return self._gate.perform("addresses.list", _list)

    def associate(self, ip_id: str, server_id: str) -> None:
        self._gate.perform(
            "addresses.associate", lambda transaction, _: _associate(transaction, ip_id, server_id), subject=ip_id
        )

    def dissociate(self, ip_id: str, server_id: str) -> None:
        def let_go(transaction: Transaction, _plan: Plan) -> None:
            transaction.execute(
                "UPDATE floating_ips SET led_to = server_id, server_id = NULL WHERE id = ? AND server_id = ?", ip_id, server_id
            )

        self._gate.perform("addresses.dissociate", let_go, subject=ip_id)

    def delete(self, ip_id: str) -> None:
        self._gate.perform("addresses.delete", lambda transaction, _: _delete(transaction, ip_id), subject=ip_id)


def _rows(transaction: Transaction, plan: Plan | None, condition: str, *values: str) -> Sequence[FloatingIp]:
    # A server whose time to be gone has come has no address.
    store.purge(transaction)
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM floating_ips WHERE {condition}", *values)  # nosec B608 # both parts are of ours alone
    found = []
    for ip_id, address_id, address, network_id, server_id, created_at, led_to in rows:
        known = FloatingIp(ip_id, address_id, address, network_id, server_id, as_time(created_at))
        is_lie = plan is not None and plan.hits(FaultKind.LIE, ip_id, address_id) is not None
        found.append(replace(known, server_id=led_to) if is_lie else known)
    return found


def _find(transaction: Transaction, plan: Plan | None, address_id: str) -> FloatingIp | None:
    if plan is not None and plan.has(FaultKind.FORGET):
        return None
    return next(iter(_rows(transaction, plan, "address_id = ?", address_id)), None)


def _list(transaction: Transaction, plan: Plan) -> Sequence[FloatingIp]:
    found = _rows(transaction, plan, "1")
    forget = plan.get(FaultKind.FORGET)
    if forget is None or not found:
        return tuple(found)
    forgotten = forget.subject or found[int(transaction.draw_fraction() * len(found))].id
    return tuple(each for each in found if forgotten not in (each.id, each.address_id))


def _create(transaction: Transaction, address_id: str, network_id: str | None, project_id: str | None) -> FloatingIp:
    known = _find(transaction, None, address_id)
    if known is not None:
        return known
    network = choose_external(transaction.options, network_id)
    taken = {row[0] for row in transaction.rows("SELECT address FROM floating_ips WHERE network_id = ?", network.id)}
    if len(taken) >= transaction.options.floating_ips:
        raise NoCapacity("The external network has no address left.", network_id=network.id)
    projects.place(transaction, address_id, project_id, {QuotaKind.ADDRESSES: 1})
    address = next_address(transaction, network)
    while address in taken:
        address = next_address(transaction, network)
    transaction.execute(
        "INSERT INTO floating_ips (id, address_id, address, network_id, created_at) VALUES (?, ?, ?, ?, ?)",
        transaction.draw_id(),
        address_id,
        address,
        network.id,
        transaction.now,
    )
    return _rows(transaction, None, "address_id = ?", address_id)[0]


def _associate(transaction: Transaction, ip_id: str, server_id: str) -> None:
    server = store.read_server(transaction, server_id)
    ip = next(iter(_rows(transaction, None, "id = ?", ip_id)), None)
    if ip is None:
        raise FloatingIpNotFound(ip_id)
    if ip.server_id == server_id:
        return
    projects.check_together(transaction, ip.address_id, server.desktop_id)
    if not as_server(server, transaction.now).addresses or server.gone_at is not None:
        raise ServerBusy("The server is being built or deleted.", server_id=server_id)
    other = transaction.row("SELECT id FROM floating_ips WHERE server_id = ?", server_id)
    if ip.server_id is not None or other is not None:
        raise FloatingIpBusy("It leads to another server, or the server has another one.", ip_id=ip_id, server_id=server_id)
    transaction.execute("UPDATE floating_ips SET led_to = NULL, server_id = ? WHERE id = ?", server_id, ip_id)


def _delete(transaction: Transaction, ip_id: str) -> None:
    ip = next(iter(_rows(transaction, None, "id = ?", ip_id)), None)
    if ip is not None and ip.server_id is not None:
        raise FloatingIpBusy("It leads to a server.", ip_id=ip_id, server_id=ip.server_id)
    transaction.execute("DELETE FROM floating_ips WHERE id = ?", ip_id)
