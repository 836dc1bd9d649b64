"""Unix sockets in folders of any depth.

A socket's address holds at most 107 bytes of path (unix(7)), and state folders can be deep. So the folder is opened, and
the socket is addressed through ``/proc/self/fd/N/name``, which is always short.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A short name for ``path`` that holds inside the ``with`` block, in this process."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listen(path: Path, *, backlog: int = 4) -> socket.socket:
    """A listening socket at ``path`` (mode 600), in the place of whatever was there."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        with short_path(path) as name:
            server.bind(name)
        path.chmod(0o600)
        server.listen(backlog)
    except BaseException:
        server.close()
        raise
    return server


def connect(path: Path, *, timeout_seconds: float = 2) -> socket.socket:
    """A connection to the socket at ``path``, non-blocking from here on. Raises OSError."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        client.settimeout(timeout_seconds)
        with short_path(path) as name:
            client.connect(name)
        client.setblocking(False)
    except BaseException:
        client.close()
        raise
    return client
