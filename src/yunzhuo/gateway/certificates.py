"""What the gateway shows, and read again without a stop: its certificate, and its key for the manager."""

import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from yunzhuo.gateway.config import GatewayConfig
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.common.logging import get_logger

_log = get_logger()

_KEY_MIN_CHARACTERS: Final = 16
_CHAIN_MAX_BYTES: Final = 64 * 1024


def tls_context(config: GatewayConfig) -> ssl.SSLContext | None:
    """What the configured certificate serves with; None when there is none. Raises OSError (SSLError is one)."""
    if not config.listen.tls_certificate_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(config.listen.tls_certificate_file, config.listen.tls_private_file)
    return context


def read_key(path: Path) -> str:
    """The key in ``path``. Raises InvalidInput."""
    try:
        key = path.read_text(encoding="ascii").strip()
        mode = path.stat().st_mode
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", code="key_unreadable") from error
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} does not hold a key", code="key_malformed") from None
    if len(key) < _KEY_MIN_CHARACTERS or not key.isprintable() or " " in key:
        raise InvalidInput(f"{path} does not hold a key of {_KEY_MIN_CHARACTERS} characters or more", code="key_malformed")
    if mode & stat.S_IRWXO:
        _log.warning("gateway_key_open_to_everybody", path=str(path))
    return key


class Certificates:
    """The certificate in force. Connections that are open keep theirs; a new one that is no good changes nothing."""

    def __init__(self, config: GatewayConfig, new_key: Callable[[str], None]) -> None:
        self._config = config
        self._new_key = new_key
        self.context = tls_context(config)
        names = (config.listen.tls_certificate_file, config.listen.tls_private_file)
        self._files = (config.key_file, *(Path(name) for name in names if name))
        self._stamps = self._look()

    @property
    def chain(self) -> str:
        """The certificate with those that vouch for it, in PEM; "" when there is none. Native viewers are given it."""
        if self.context is None:
            return ""
        text = Path(self._config.listen.tls_certificate_file).read_text(encoding="ascii", errors="replace")
        return text if len(text) <= _CHAIN_MAX_BYTES else ""

    def look_again(self, *, is_asked: bool = False) -> bool:
        """Reads the files anew if they have changed, or if somebody asks for it; answers whether it did."""
        stamps = self._look()
        if stamps == self._stamps and not is_asked:
            return False
        self._stamps = stamps
        try:
            self.context = tls_context(self._config)
            self._new_key(read_key(self._config.key_file))
        except (OSError, InvalidInput) as error:
            _log.error("gateway_files_not_taken", problem=str(error))
            return False
        _log.info("gateway_files_read_again")
        return True

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in self._files)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
