"""What can be made from the installation's one account key: marks that only we can make, and sealed texts."""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken

from yunzhuo.phoenix.common.errors import Inconsistent


class Keyring:
    """Each purpose has a key of its own, derived from the master key (HMAC-SHA256 as a key derivation, NIST SP 800-108)."""

    def __init__(self, master: str) -> None:
        self._master = master.encode()

    def mark(self, purpose: str, text: str) -> str:
        """A keyed digest of ``text``: 43 URL-safe characters that nobody else can make up."""
        mac = hmac.digest(self._key(purpose), text.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")

    def fits(self, purpose: str, text: str, mark: str) -> bool:
        """Whether ``mark`` is this text's; in the same time whether or not."""
        return hmac.compare_digest(self.mark(purpose, text).encode(), mark.encode())

    def seal(self, purpose: str, text: str) -> str:
        """``text`` encrypted, so that the database alone does not tell it."""
        return self._fernet(purpose).encrypt(text.encode()).decode()

    def unseal(self, purpose: str, sealed: str) -> str:
        """What was sealed. Raises Inconsistent when the key is another one by now."""
        try:
            return self._fernet(purpose).decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise Inconsistent("sealed_with_another_key", "This was sealed with another key.") from error

    def _fernet(self, purpose: str) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self._key(purpose)))

    def _key(self, purpose: str) -> bytes:
        return hmac.digest(self._master, purpose.encode(), hashlib.sha256)
