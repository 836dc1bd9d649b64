"""What is said of a peer that does not keep to its protocol."""

from yunzhuo.phoenix.common.errors import Refused


class ProtocolError(Refused):
    """A peer broke the protocol or a limit; its connection cannot go on."""


class FrameError(ProtocolError):
    """A WebSocket frame that must not be. ``close_code`` is what RFC 6455 section 7.4.1 has us answer."""

    def __init__(self, close_code: int, code: str, message: str) -> None:
        super().__init__(code, message, close_code=close_code)
        self.close_code = close_code


class ScreenError(ProtocolError):
    """A handshake with a screen that cannot come to a good end."""


class RequestRefused(ProtocolError):
    """An HTTP request that is answered with ``status`` instead of a console.

    ``code`` and ``message`` go to the client, ``headers`` with them; ``reason`` is what it is counted as. The message never
    holds anything that came with the request: it may be a ticket.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: tuple[tuple[str, str], ...] = (), *, reason: str = ""
    ) -> None:
        super().__init__(code, message, status=status)
        self.status = status
        self.headers = headers
        self.reason = reason or code
