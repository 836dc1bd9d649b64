"""Where a server's screen is: Nova's console tokens, redeemed by us in place of Nova's proxies (ADR 19)."""

from urllib.parse import parse_qs, unquote, urlsplit

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, CloudUnavailable, ServerBusy, ServerNotFound
from yunzhuo.phoenix.cloud.openstack.connection import READ, SPICE_DIRECT, Connection, Refusals
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup
from yunzhuo.phoenix.cloud.resources import Console, ConsoleProtocol, ServerStatus

_WITH_SCREEN = frozenset({ServerStatus.RUNNING, ServerStatus.RESCUED})
_SPICE_DIRECT = tuple(int(part) for part in SPICE_DIRECT.split("."))


class Consoles:
    """Two calls for a screen: ask for a token, and ask what it stands for."""

    def __init__(self, connection: Connection, lookup: ServerLookup) -> None:
        self._connection = connection
        self._lookup = lookup

    def find(self, server_id: str, protocol: ConsoleProtocol) -> Console:
        """Raises ServerBusy, CloudNotOffered. Nova gives its screens no password: whoever reaches the port is in."""
        seen = self._lookup.see(server_id)
        kind, version = self._kind(protocol)
        if seen.server.status not in _WITH_SCREEN or seen.is_being_deleted:
            raise ServerBusy("The server does not run, so it has no screen.", server_id=server_id)
        body = {"remote_console": {"protocol": protocol.value, "type": kind}}
        path = f"/servers/{server_id}/remote-consoles"
        refusals = _refusals(server_id, protocol)
        asked = self._connection.ask("compute", "POST", path, body, version=version, refusals=refusals)
        token = _token(asked["remote_console"]["url"])
        told = self._connection.ask(
            "compute", "GET", f"/os-console-auth-tokens/{token}", version=version, refusals=_TOKEN_REFUSALS
        )["console"]
        host, port = told.get("host"), told.get("port")
        if told.get("instance_uuid") != server_id or not host:
            raise CloudUnavailable("The cloud does not say where the screen is.")
        if not port:
            raise CloudNotOffered(f"{protocol.value} consoles without TLS between gateway and host")
        if int(port) < 1:  # libvirt's word for a machine that has just ended, which Nova has not noticed yet
            raise ServerBusy("The server has no screen now.", server_id=server_id)
        return Console(protocol, host=host, port=int(port))

    def _kind(self, protocol: ConsoleProtocol) -> tuple[str, str]:
        if protocol is ConsoleProtocol.VNC:
            return "novnc", READ
        if protocol is ConsoleProtocol.SPICE:
            is_new = self._connection.max_microversion() >= _SPICE_DIRECT
            return ("spice-direct", SPICE_DIRECT) if is_new else ("spice-html5", READ)
        raise CloudNotOffered(f"{protocol.value} consoles")


def _token(url: str) -> str:
    """Nova puts it into the address of a proxy's page, sometimes as a query within a query."""
    query = unquote(urlsplit(url).query)
    found = parse_qs(query.rpartition("?")[2]).get("token")
    if not found or not found[0].replace("-", "").isalnum():
        raise CloudUnavailable("The cloud's answer names no console token.")
    return found[0]


def _refusals(server_id: str, protocol: ConsoleProtocol) -> Refusals:
    def not_offered(_said: str, **_details: object) -> CloudNotOffered:
        return CloudNotOffered(f"{protocol.value} consoles")

    return {
        400: not_offered,
        404: lambda _said, **_details: ServerNotFound(server_id),
        409: lambda said, **details: ServerBusy(f"The server has no screen now: {said}", server_id=server_id, **details),
        501: not_offered,
    }


_TOKEN_REFUSALS: Refusals = {
    403: lambda _said, **_details: CloudNotOffered(
        "to say where a screen is: Yunzhuo's account needs the role that infras/openstack/etc/nova/policy.yaml speaks of"
    ),
    404: lambda said, **details: CloudUnavailable(f"The console token ran out at once: {said}", **details),
}
