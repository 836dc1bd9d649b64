"""Who is really there, behind a proxy of ours: the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt), and the
header X-Forwarded-For. Only of proxies that the configuration names is either believed."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from yunzhuo.gateway.protocol.errors import ProtocolError

_V1: Final = b"PROXY "
_V1_MAX_BYTES: Final = 107
_V2: Final = b"\r\n\r\n\0\r\nQUIT\n"
_V2_HEAD_BYTES: Final = 16
_LOCAL: Final = 0x20
_PROXY: Final = 0x21
_ADDRESS_BYTES: Final = {0x11: 4, 0x21: 16}  # TCP over IPv4 and over IPv6
# What has to be seen of a connection to read all of it: a longer header (of version 2, with many extensions) is refused.
LOOK_BYTES: Final = 536


def take_header(seen: bytes) -> tuple[int, str | None] | None:
    """How many bytes of what was ``seen`` are the header, and the client's address in it (None: the proxy's own business).

    (0, None) when there is none; None when more has to be seen. Raises ProtocolError for one that is malformed.
    """
    if seen.startswith(_V1):
        end = seen.find(b"\r\n", 0, _V1_MAX_BYTES)
        if end < 0:
            if len(seen) >= _V1_MAX_BYTES:
                raise _malformed()
            return None
        return end + 2, _of_line(seen[:end])
    if seen.startswith(_V2):
        if len(seen) < _V2_HEAD_BYTES:
            return None
        size = _V2_HEAD_BYTES + int.from_bytes(seen[14:16], "big")
        if size > LOOK_BYTES:
            raise _malformed()
        return None if len(seen) < size else (size, _of_head(seen[:size]))
    if _V1.startswith(seen) or _V2.startswith(seen):
        return None
    return 0, None


def forwarded_for(header: str | None) -> str | None:
    """The address that the nearest proxy vouches for: the last one. None when there is no such."""
    last = (header or "").rpartition(",")[2].strip()
    try:
        return str(ip_address(last))
    except ValueError:
        return None


def _of_line(line: bytes) -> str | None:
    words = line.split(b" ")
    if words[1:2] == [b"UNKNOWN"]:
        return None
    try:
        kind, client = words[1], ip_address(words[2].decode("ascii"))
    except (IndexError, ValueError):
        raise _malformed() from None
    if kind not in (b"TCP4", b"TCP6") or len(words) != 6:  # noqa: PLR2004 (PROXY, kind, two addresses, two ports)
        raise _malformed()
    return str(client)


def _of_head(head: bytes) -> str | None:
    command, family = head[12], head[13]
    if command == _LOCAL:
        return None
    size = _ADDRESS_BYTES.get(family)
    if command != _PROXY or size is None or len(head) < _V2_HEAD_BYTES + 2 * size + 4:
        raise _malformed()
    address = head[_V2_HEAD_BYTES : _V2_HEAD_BYTES + size]
    return str(IPv4Address(address) if len(address) == _ADDRESS_BYTES[0x11] else IPv6Address(address))


def _malformed() -> ProtocolError:
    return ProtocolError("proxy_header_malformed", "the proxy does not say well who is there")
