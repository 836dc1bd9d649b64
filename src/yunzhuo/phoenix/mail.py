"""Handing a letter to the SMTP server: what a letter is made of, and what an answer means."""

import smtplib
import ssl
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import InvalidInput, Refused, Unavailable
from yunzhuo.phoenix.config.people_settings import MailSettings

_PERMANENT = 500


@dataclass(frozen=True, slots=True)
class Letter:
    """What somebody is written: the same twice, plain and as HTML."""

    subject: str
    text: str
    html: str


class Mailer:
    """Sends letters through one SMTP server."""

    def __init__(self, settings: MailSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    @property
    def is_configured(self) -> bool:
        """Whether there is a server at all."""
        return bool(self._settings.host)

    def send(self, recipient: str, letter: Letter, *, language: str, message_id: str) -> None:
        """Hand a letter over. ``message_id`` is the same at every try, so that a letter sent twice is seen once.

        Raises InvalidInput for an address or a subject that cannot stand in a header, Refused when the server never takes
        this letter, Unavailable when it may take it later.
        """
        message = self._message(recipient, letter, language=language, message_id=message_id)
        try:
            with self._connected() as server:
                if self._settings.username:
                    server.login(self._settings.username, Path(self._settings.password_file).read_text().strip())
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code = max(code for code, _ in error.recipients.values())
            raise _refusal(code, "The mail server does not take this address.") from error
        except (smtplib.SMTPAuthenticationError, smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError) as error:
            raise Unavailable("mail_unavailable", f"The mail server does not let us in: {type(error).__name__}.") from error
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code, "The mail server does not take this letter.") from error
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable("mail_unavailable", f"The mail server cannot be used: {type(error).__name__}.") from error

    def _message(self, recipient: str, letter: Letter, *, language: str, message_id: str) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        name, sender = parseaddr(self._settings.sender)
        try:
            message["From"] = Address(name, addr_spec=sender)
            message["To"] = Address(addr_spec=recipient)
            message["Subject"] = letter.subject
        except (ValueError, IndexError) as error:  # a line break among them: whoever wrote it wants headers of their own
            raise InvalidInput("This cannot stand in a mail's head.") from error
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2]}>"
        message["Content-Language"] = language.replace("_", "-")
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        return message

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        if settings.security == "tls":
            return smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.timeout_seconds, context=context)
        server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_seconds)
        if settings.security == "starttls":
            try:
                server.starttls(context=context)
            except Exception:
                server.close()
                raise
        return server


def _refusal(code: int, text: str) -> Exception:
    if code >= _PERMANENT:
        return Refused("mail_refused", f"{text} ({code})")
    return Unavailable("mail_unavailable", f"{text} ({code})")
