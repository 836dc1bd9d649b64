"""Opening the sockets that a gateway listens on."""

import socket
from typing import Final

_BACKLOG: Final = 1024


def open_listener(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening TCP socket on ``host`` and ``port``. Raises OSError, among others when the port is taken.

    ``shared``: other processes of this gateway listen on the same port, and the kernel spreads connections over them.
    """
    listener = _bind(host, port, shared=shared)
    listener.listen(_BACKLOG)
    return listener


def reserve(host: str, port: int) -> socket.socket:
    """Takes a port that processes of ours will share, without listening. Raises OSError when it is another's.

    Among processes of one user SO_REUSEPORT would share the port of a stranger without a word; so it is first taken alone.
    """
    _bind(host, port, shared=False).close()
    return _bind(host, port, shared=True)


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def address_of(listener: socket.socket) -> str:
    """HOST:PORT as it really is."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
