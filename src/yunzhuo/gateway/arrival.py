"""Connections as they come in: the first byte says whether TLS is spoken, and then it is taken off.

The byte is looked at where it lies, in the kernel, so that TLS finds it there.
"""

import asyncio
import errno
import socket
from typing import Final

from yunzhuo.gateway.certificates import Certificates
from yunzhuo.gateway.door import Door
from yunzhuo.gateway.protocol.errors import ProtocolError
from yunzhuo.gateway.protocol.proxied import LOOK_BYTES, take_header
from yunzhuo.gateway.state import WorkerState
from yunzhuo.phoenix.common.logging import get_logger

_log = get_logger()

_TLS_HANDSHAKE: Final = b"\x16"  # RFC 8446 section 5.1: the content type of a ClientHello's record
_AT_ONCE: Final = 64
_LOOK_AGAIN_SECONDS: Final = 0.02
# Beyond the limit of connections so many are told why they are refused; the rest is cut off.
_REFUSED_AT_ONCE: Final = 100
_OUT_OF_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_REST_SECONDS: Final = 0.5
# A silent peer is asked by the kernel whether it is there, so that nothing between takes the connection for a dead one.
_KEEP_ALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


class Reception:
    """Takes connections from a listening socket."""

    def __init__(self, state: WorkerState, listener: socket.socket, certificates: Certificates) -> None:
        self._state = state
        self._listener = listener
        self._certificates = certificates
        self._loop = asyncio.get_running_loop()
        self._resting: asyncio.TimerHandle | None = None

    def open(self) -> None:
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Takes what already waits in the kernel's queue, which would be reset otherwise, and then nothing more."""
        if self._resting is not None:
            self._resting.cancel()
        self._accept()
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                peer, address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_DESCRIPTORS:
                    raise
                self._rest()
                return
            peer.setblocking(False)
            self._arrived(peer, str(address[0]))

    def _rest(self) -> None:
        """While there are no descriptors left, the queue is left alone for a moment: asking again at once takes all time."""
        _log.warning("gateway_out_of_descriptors")
        self._loop.remove_reader(self._listener.fileno())
        self._resting = self._loop.call_later(_REST_SECONDS, self.open)

    def _arrived(self, peer: socket.socket, address: str) -> None:
        state = self._state
        if len(state.connections) >= state.config.limits.max_connections + _REFUSED_AT_ONCE:
            state.counters.refuse("too_many_connections")
            peer.close()
            return
        Arrival(state, peer, address, self._certificates).begin()


class Arrival:
    """One connection before its first byte, and while its TLS is made."""

    __slots__ = ("_address", "_certificates", "_is_in", "_is_proxied", "_is_waiting", "_peer", "_state", "_timer")

    def __init__(self, state: WorkerState, peer: socket.socket, address: str, certificates: Certificates) -> None:
        self._state = state
        self._peer = peer
        self._address = address
        self._certificates = certificates
        self._timer: asyncio.TimerHandle | None = None
        self._is_waiting = False
        self._is_in = False
        self._is_proxied = False

    def begin(self) -> None:
        self._state.add(self, self._address)
        for option in _KEEP_ALIVE:
            self._peer.setsockopt(*option)
        self._is_proxied = self._state.trusts(self._address)
        if self._certificates.context is None and not self._is_proxied:
            self._go_in(is_tls=False)
        else:
            self._look()

    def _look(self) -> None:
        """Looks at the first byte, behind the header of a proxy of ours, without taking it."""
        try:
            seen = self._peer.recv(LOOK_BYTES if self._is_proxied else 1, socket.MSG_PEEK)
            if not seen:
                self.abort()
                return
            if self._is_proxied and not self._took_proxy_header(seen):
                return
        except BlockingIOError:
            self._wait()
            return
        except (OSError, ProtocolError):
            self.abort()
            return
        self._wait_no_longer()
        self._go_in(is_tls=seen[:1] == _TLS_HANDSHAKE and self._certificates.context is not None)

    def _took_proxy_header(self, seen: bytes) -> bool:
        """Whether there is no header (any more), and ``seen`` begins with what the client said."""
        header = take_header(seen)
        if header is None:
            # The kernel tells at once of what is there already; the rest of a header comes in a moment.
            self._wait(again_in_seconds=_LOOK_AGAIN_SECONDS)
            return False
        size, client = header
        if not size:
            return True
        self._peer.recv(size)
        self._is_proxied = False
        if client is not None:
            self._state.is_really(self._address, client)
            self._address = client
        self._look()
        return False

    def _wait(self, *, again_in_seconds: float = 0) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._timer = loop.call_later(self._state.config.limits.handshake_timeout_seconds, self.abort)
        if again_in_seconds:
            self._wait_no_longer(keep_timer=True)
            loop.call_later(again_in_seconds, self._look_again)
        elif not self._is_waiting:
            self._is_waiting = True
            loop.add_reader(self._peer.fileno(), self._look)

    def _look_again(self) -> None:
        if not self._is_in:
            self._look()

    def _wait_no_longer(self, *, keep_timer: bool = False) -> None:
        if self._is_waiting:
            self._is_waiting = False
            asyncio.get_running_loop().remove_reader(self._peer.fileno())
        if self._timer is not None and not keep_timer:
            self._timer.cancel()

    def _go_in(self, *, is_tls: bool) -> None:
        self._is_in = True
        self._state.run(asyncio.get_running_loop().create_task(self._connect(is_tls=is_tls)))

    async def _connect(self, *, is_tls: bool) -> None:
        loop, state = asyncio.get_running_loop(), self._state
        try:
            await loop.connect_accepted_socket(
                lambda: Door(state, self._address, self),
                self._peer,
                ssl=self._certificates.context if is_tls else None,
                ssl_handshake_timeout=state.config.limits.handshake_timeout_seconds if is_tls else None,
            )
        except OSError:  # SSLError and TimeoutError are such: the peer has not got as far as the door
            if self in state.connections:
                self._peer.close()
                state.remove(self, self._address)

    def tick(self) -> None:
        """An arrival's time is bounded by its own timer."""

    def stop(self) -> None:
        self.abort()

    def abort(self) -> None:
        """Only while nothing has come yet; TLS ends by its own time."""
        if not self._is_in:
            self._is_in = True
            self._wait_no_longer()
            self._peer.close()
            self._state.remove(self, self._address)
