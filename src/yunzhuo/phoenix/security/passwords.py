"""Passwords, hashed with argon2id."""

from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError


class Passwords:
    """Makes and compares hashes, at the library's defaults (RFC 9106, second recommended option) unless told otherwise."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()

    def hash(self, password: str) -> str:
        """The only form in which a password is stored."""
        return self._hasher.hash(password)

    def fits(self, password_hash: str, password: str) -> bool:
        """Whether the password is the one that was hashed. Takes as long when it is not."""
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    @cached_property
    def nobodys_hash(self) -> str:
        """A hash that fits no password, compared with when the account does not exist so that both cases take as long."""
        return self._hasher.hash("\x00 no password of a person contains this")
