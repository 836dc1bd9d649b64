"""Floating IPs of driver ``openstack``.

Whose one is stands in its description, which Neutron keeps from the same call that makes it; its tags need a second one. Every
change names the revision that it is about, so that of two who change one at once only one does.
"""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote
from zlib import crc32

from yunzhuo.phoenix.cloud.errors import (
    CloudUnavailable,
    FloatingIpBusy,
    FloatingIpNotFound,
    FloatingIpUnreachable,
    NoCapacity,
    ServerBusy,
)
from yunzhuo.phoenix.cloud.openstack.connection import Connection, Json, Refusals
from yunzhuo.phoenix.cloud.openstack.networks import OpenStackNetworks
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup, is_desktop_id
from yunzhuo.phoenix.cloud.openstack.server_states import read_time
from yunzhuo.phoenix.cloud.resources import FloatingIp
from yunzhuo.phoenix.common.errors import InvalidInput

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOCKS = 16


@dataclass(frozen=True, slots=True)
class _Seen:
    """A floating IP of ours, and the revision it was seen at."""

    ip: FloatingIp
    revision: int


class OpenStackAddresses:
    """See the interface for the promises."""

    def __init__(self, connection: Connection, lookup: ServerLookup, networks: OpenStackNetworks) -> None:
        self._connection = connection
        self._lookup = lookup
        self._networks = networks
        self._mark = f"yunzhuo {connection.settings.tag} "
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def create(self, address_id: str, *, network_id: str | None = None) -> FloatingIp:
        if not is_desktop_id(address_id):
            raise InvalidInput("An address's id has 1 to 40 letters, digits, _ or -.", fields={"address_id": "not a tag"})
        with self._locks[crc32(address_id.encode()) % _LOCKS]:
            there = self._tagged(address_id)
            if there:
                return there[0].ip
            network = self._networks.choose_external(network_id)
            body = {"floatingip": {"floating_network_id": network.id, "description": f"{self._mark}{address_id}"}}
            made = self._connection.ask("network", "POST", "/floatingips", body, refusals={409: _none_left})["floatingip"]
            return self._settle(str(made["id"]), address_id)

    def find(self, address_id: str) -> FloatingIp | None:
        there = self._tagged(address_id) if is_desktop_id(address_id) else ()
        return there[0].ip if there else None

    def list(self) -> Sequence[FloatingIp]:
        return tuple(seen.ip for seen in self._list(""))

    def associate(self, ip_id: str, server_id: str) -> None:
        server = self._lookup.see(server_id)
        seen = self._see(ip_id)
        if seen is None:
            raise FloatingIpNotFound(ip_id)
        if seen.ip.server_id == server_id:
            return
        if seen.ip.server_id is not None:
            raise FloatingIpBusy("The floating IP leads to another server.", ip_id=ip_id, server_id=seen.ip.server_id)
        if server.is_being_deleted:
            raise ServerBusy("The server is being deleted.", server_id=server_id)
        port_id = self._port_of(server_id)

        def not_found(said: str, **details: object) -> FloatingIpNotFound | FloatingIpUnreachable:
            """The floating IP has gone since it was seen, or there is no way: Neutron says both with one status."""
            if self._see(ip_id) is None:
                return FloatingIpNotFound(ip_id)
            return FloatingIpUnreachable(f"No router leads from the server to the address: {said}", ip_id=ip_id, **details)

        def busy(said: str, **details: object) -> FloatingIpBusy:
            return FloatingIpBusy(f"The server has another floating IP: {said}", server_id=server_id, **details)

        body = {"floatingip": {"port_id": port_id}}
        refusals: Refusals = {404: not_found, 409: busy, 412: _overtaken}
        path = f"/floatingips/{ip_id}"
        now = self._connection.ask("network", "PUT", path, body, refusals=refusals, revision=seen.revision)["floatingip"]
        if int(now["revision_number"]) != seen.revision + 1:
            # Of two in the very same moment Neutron tries one again, and forgets then which revision that one was about.
            self.dissociate(ip_id, server_id)
            raise _overtaken("another change came between", ip_id=ip_id, server_id=server_id)

    def dissociate(self, ip_id: str, server_id: str) -> None:
        seen = self._see(ip_id)
        if seen is None or seen.ip.server_id != server_id:
            return
        body = {"floatingip": {"port_id": None}}
        self._change("PUT", seen, body)

    def delete(self, ip_id: str) -> None:
        seen = self._see(ip_id)
        if seen is None:
            return
        if seen.ip.server_id is not None:
            raise FloatingIpBusy("The floating IP leads to a server.", ip_id=ip_id, server_id=seen.ip.server_id)
        self._change("DELETE", seen)

    def _settle(self, ip_id: str, address_id: str) -> FloatingIp:
        """The one floating IP of this tag; see ``creation.py`` for what is done about two."""
        there = self._tagged(address_id)
        ours = next((seen for seen in there if seen.ip.id == ip_id), None)
        if ours is None:
            raise CloudUnavailable("The floating IP that was just made is not told of yet.")
        rivals = [seen for seen in there if seen is not ours and seen.ip.created_at <= ours.ip.created_at]
        if not rivals:
            return ours.ip
        self._change("DELETE", ours)
        raise CloudUnavailable("The floating IP was asked for twice at the same moment; one of the two was removed.")

    def _change(self, method: str, seen: _Seen, body: Json | None = None) -> None:
        """Change or remove what is there still, as it was seen."""
        refusals: Refusals = {404: lambda _said, **_details: FloatingIpNotFound(seen.ip.id), 412: _overtaken}
        path = f"/floatingips/{seen.ip.id}"
        try:
            self._connection.ask("network", method, path, body, refusals=refusals, revision=seen.revision)
        except FloatingIpNotFound:
            return

    def _see(self, ip_id: str) -> _Seen | None:
        """One of ours as it is now, or None."""
        if not _ID.fullmatch(ip_id):
            return None
        refusals = {404: lambda _said, **_details: FloatingIpNotFound(ip_id)}
        try:
            found = self._connection.ask("network", "GET", f"/floatingips/{ip_id}", refusals=refusals)["floatingip"]
        except FloatingIpNotFound:
            return None
        return self._read(found)

    def _tagged(self, address_id: str) -> Sequence[_Seen]:
        """Every one with this tag, the oldest first; more than one only after an accident."""
        found = self._list(f"&description={quote(self._mark + address_id)}")
        return sorted(found, key=lambda seen: (seen.ip.created_at, seen.ip.id))

    def _list(self, which: str) -> Sequence[_Seen]:
        path = f"/floatingips?project_id={self._connection.project_id}{which}"
        # One that begins or ends between two pages may be told twice.
        found = {each["id"]: each for each in self._connection.pages("network", path, "floatingips")}
        seen = (self._read(each) for each in found.values())
        return [each for each in seen if each is not None]

    def _read(self, found: Json) -> _Seen | None:
        """A floating IP as Neutron tells it; None when it is not ours."""
        description = str(found.get("description") or "")
        if not description.startswith(self._mark):
            return None
        port_id, port = found.get("port_id"), found.get("port_details") or {}
        # A port may be nobody's, as one that a load balancer answers at: it leads somewhere all the same.
        leads_to = (str(port.get("device_id") or "") or f"port {port_id}") if port_id else None
        return _Seen(
            FloatingIp(
                id=found["id"],
                address_id=description.removeprefix(self._mark),
                address=found["floating_ip_address"],
                network_id=found["floating_network_id"],
                server_id=leads_to,
                created_at=read_time(found["created_at"]),
            ),
            int(found["revision_number"]),
        )

    def _port_of(self, server_id: str) -> str:
        """Where the server is on its first network. Raises ServerBusy when it is on none yet."""
        for port in self._connection.pages("network", f"/ports?device_id={server_id}", "ports"):
            if any(":" not in fixed["ip_address"] for fixed in port["fixed_ips"]):
                return str(port["id"])
        raise ServerBusy("The server has no address on a network yet.", server_id=server_id)


def _none_left(said: str, **details: object) -> NoCapacity:
    """Neutron's 409 for a floating IP that no port is named for: the subnets or the project's quota are used up."""
    return NoCapacity(f"The cloud has no floating IP left: {said}", **details)


def _overtaken(said: str, **details: object) -> CloudUnavailable:
    return CloudUnavailable(f"The floating IP was changed by somebody else at the same moment: {said}", **details)
