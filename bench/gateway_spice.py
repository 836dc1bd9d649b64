"""Native SPICE for bench/gateway.py: a server, a client, and kerbside's relay.

Everything is what the protocol has ("Spice protocol", 2009; spice-protocol's enums.h), because kerbside's relay looks at each
message's type and length: after the link a display channel carries DRAW_COPY messages of 64 KiB. The client asks for bytes with
DISPLAY_INIT, whose cache size says how many; so the same question serves for much and for little.
"""

import asyncio
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from gateway_relays import TICKET, TOOLS, Relay, free_port, running

_HEADER: Final = struct.Struct("<4sIII")
_REPLY: Final = struct.Struct("<I162sIII")
_LINK: Final = struct.Struct("<IBBIII")
_MINI: Final = struct.Struct("<HI")  # SpiceMiniDataHeader: type, size
_MINOR: Final = 2
_COMMON: Final = 0b1011  # authentication is chosen; SPICE's own; small headers
_DISPLAY_CAPABILITIES: Final = 0x1052
_DISPLAY: Final = 2
_INIT: Final = 101  # SPICE_MSGC_DISPLAY_INIT: cache id, cache size, dictionary id, dictionary size
_INIT_BODY: Final = struct.Struct("<BqBi")
_DRAW_COPY: Final = 304  # SPICE_MSG_DISPLAY_DRAW_COPY
_TICKET_BYTES: Final = 128
_PIECE: Final = _MINI.pack(_DRAW_COPY, 65536 - _MINI.size) + bytes(65536 - _MINI.size)
_CHUNK: Final = _PIECE * 4
_LEAST: Final = _MINI.size + 8
_SOCKET_WAIT_SECONDS: Final = 20


def _message(body: bytes) -> bytes:
    return _HEADER.pack(b"REDQ", 2, _MINOR, len(body)) + body


def _hello(connection: int) -> bytes:
    words = (_COMMON, _DISPLAY_CAPABILITIES)
    return _message(_LINK.pack(connection, _DISPLAY, 0, 1, 1, _LINK.size) + struct.pack("<2I", *words))


def _oaep() -> padding.OAEP:
    return padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # prescribed by SPICE


class SpiceScreen(asyncio.Protocol):
    """A machine's SPICE server with one channel, and any password."""

    key = rsa.generate_private_key(65537, 1024).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def __init__(self) -> None:
        self._buffer = b""
        self._is_linked = False
        self._has_replied = False
        self._left_to_send = 0
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(1 << 20, 1 << 18)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._has_replied and len(self._buffer) >= _HEADER.size:
            size = _HEADER.size + _HEADER.unpack_from(self._buffer)[3]
            if len(self._buffer) >= size:
                self._buffer = self._buffer[size:]
                words = struct.pack("<2I", _COMMON, _DISPLAY_CAPABILITIES)
                self.transport.write(_message(_REPLY.pack(0, self.key, 1, 1, _REPLY.size) + words))
                self._has_replied = True
        if self._has_replied and not self._is_linked and len(self._buffer) >= 4 + _TICKET_BYTES:
            self._buffer = self._buffer[4 + _TICKET_BYTES :]
            self.transport.write(bytes(4))
            self._is_linked = True
        while self._is_linked and len(self._buffer) >= _MINI.size:
            kind, size = _MINI.unpack_from(self._buffer)
            if len(self._buffer) < _MINI.size + size:
                return
            if kind == _INIT:
                self._left_to_send += _INIT_BODY.unpack_from(self._buffer, _MINI.size)[1]
                self._send()
            self._buffer = self._buffer[_MINI.size + size :]

    def _send(self) -> None:
        while self._left_to_send > 0 and not self._paused:
            if self._left_to_send < len(_CHUNK):
                size = max(self._left_to_send, _LEAST) - _MINI.size
                self.transport.write(_MINI.pack(_DRAW_COPY, size) + bytes(size))
                self._left_to_send = 0
            else:
                self.transport.write(_CHUNK)
                self._left_to_send -= len(_CHUNK)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._send()


@dataclass(frozen=True)
class SpiceRelay(Relay):
    """A relay that is reached as `remote-viewer` reaches it: SPICE inside TLS, the ticket as the password."""

    def connect(self) -> socket.socket:
        """A display channel that waits for a message."""
        peer: socket.socket = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is not None:
            peer = self.tls.wrap_socket(peer, server_hostname="127.0.0.1")
        peer.sendall(_hello(0))
        size = _HEADER.unpack(self._read(peer, _HEADER.size))[3]
        reply = self._read(peer, size)
        error, key, *_ = _REPLY.unpack_from(reply)
        if error:
            raise RuntimeError(f"{self.name} refused the link: {error}")
        public = cast(rsa.RSAPublicKey, load_der_public_key(key))
        peer.sendall((1).to_bytes(4, "little") + public.encrypt(TICKET.encode() + b"\0", _oaep()))
        verdict = int.from_bytes(self._read(peer, 4), "little")
        if verdict:
            raise RuntimeError(f"{self.name} refused the ticket: {verdict}")
        return peer

    def asking(self, size: int) -> bytes:
        return _MINI.pack(_INIT, _INIT_BODY.size) + _INIT_BODY.pack(1, size, 1, 0)

    def _read(self, peer: socket.socket, size: int) -> bytes:
        found = b""
        while len(found) < size:
            got = peer.recv(size - len(found))
            if not got:
                raise RuntimeError(f"{self.name} hung up")
            found += got
        return found


@contextmanager
def kerbside(folder: Path, screen_port: int, tls: tuple[Path, Path]) -> Iterator[SpiceRelay]:
    """kerbside's relay, with what it asks its daemon answered by bench/kerbside_control.py."""
    program, python = TOOLS / "bin/kerbside-proxy", TOOLS / "bin/python"
    if not program.exists():
        raise SystemExit("kerbside is missing: make bench-tools")
    door = folder / "kerbside.sock"
    control = subprocess.Popen([python, Path(__file__).with_name("kerbside_control.py"), door, str(screen_port)])
    try:
        deadline = time.monotonic() + _SOCKET_WAIT_SECONDS
        while not door.exists():
            if time.monotonic() > deadline or control.poll() is not None:
                raise RuntimeError("kerbside's control side did not start")
            time.sleep(0.05)
        port = free_port()
        arguments = [
            *(str(program), "--vdi-address", "127.0.0.1", "--secure-port", str(port), "--insecure-port", str(free_port())),
            *("--prometheus-port", str(free_port()), "--api-socket", str(door), "--cacert", str(tls[0])),
            *("--cert", str(tls[0]), "--cert-key", str(tls[1])),
        ]
        with running(arguments, port) as pid:
            yield SpiceRelay("kerbside", pid, port, tls=ssl.create_default_context(cafile=str(tls[0])))
    finally:
        control.terminate()
        control.wait()
