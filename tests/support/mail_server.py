"""A real SMTP server on loopback, and the letters that it was given."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class MailServer:
    """What arrived. ``answer`` is said to every letter; ``refused`` to whom no letter is taken."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    answer: str = "250 OK"
    refused: set[str] = field(default_factory=set)

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Called by the server for each recipient."""
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Called by the server for each letter."""
        if self.answer.startswith("250"):
            message = message_from_bytes(cast(bytes, envelope.content), policy=policy.default)
            self.letters.append(message)
            self.recipients += envelope.rcpt_tos
        return self.answer

    def text(self, index: int = -1) -> str:
        """The plain text of a letter."""
        body = self.letters[index].get_body(("plain",))
        assert body is not None
        return str(body.get_content())

    def html(self, index: int = -1) -> str:
        """The HTML of a letter."""
        body = self.letters[index].get_body(("html",))
        assert body is not None
        return str(body.get_content())

    def proof(self, index: int = -1) -> str:
        """The secret in the link of a letter."""
        return self.text(index).partition("?proof=")[2].split()[0]


class _OnAPort(Controller):
    """Tries its own door by address: on a closed network the name of this computer may lead nowhere."""

    def __init__(self, handler: MailServer, port: int, **options: Any) -> None:
        super().__init__(handler, hostname="127.0.0.1", port=port, **options)


@contextmanager
def mail_server(*, tls: ssl.SSLContext | None = None) -> Iterator[MailServer]:
    """A server that takes every letter; with ``tls`` it demands STARTTLS."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = MailServer(port)
    options = {"tls_context": tls, "require_starttls": True} if tls else {}
    controller = _OnAPort(server, port, **options)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
