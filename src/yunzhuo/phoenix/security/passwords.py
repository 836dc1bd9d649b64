"""Passwords, hashed with argon2id.

A hash takes a twentieth of a second and 46 MiB: many at once would take memory without end, and the cores from everything
else. So a process makes only a few at a time, in threads that give way to others where the system can tell
threads apart (Linux); whoever asks waits. The work of each is the same.
"""

import hashlib
import hmac
import os
import secrets
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# Without what is read wrong from a slip of paper: 0 and O, 1, I and l. 31 letters are 5 bits each, so 16 are 79 bits.
_READABLE = "23456789abcdefghjkmnpqrstuvwxyz"
_GROUP = 4
_GROUPS = 4
_NICE = 5
_ONE_TIME = "one-time$"
# OWASP's first choice (Password Storage Cheat Sheet; ASVS 5, appendix on approved functions): one pass over 46 MiB. The three
# passes of RFC 9106 take three times the work of a school's computer at the bell, too, when 500 sign in within a minute.
_PASSES = 1
_MEMORY_KIB = 46 * 1024
_LANES = 1


def _give_way() -> None:
    if sys.platform == "linux":  # elsewhere this would be the whole process's
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICE)


@cache
def _hashing() -> ThreadPoolExecutor:
    """Where this process hashes; made when it first does."""
    return ThreadPoolExecutor(max(2, (os.cpu_count() or 1) // 2), "passwords", initializer=_give_way)


def one_time_password(min_length: int) -> str:
    """A new password to be read out or written down: groups of four letters, at least ``min_length`` characters."""
    groups = max(_GROUPS, -(-min_length // _GROUP))
    return "-".join("".join(secrets.choice(_READABLE) for _ in range(_GROUP)) for _ in range(groups))


class Passwords:
    """Makes and compares hashes; other parameters than the product's are for tests that need many."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=_LANES)

    def hash(self, password: str) -> str:
        """The only form in which a password is stored."""
        return _hashing().submit(self._hasher.hash, password).result()

    def hash_one_time(self, password: str) -> str:
        """The form in which a password of :func:`one_time_password` is stored until it is changed.

        It has 79 random bits at least, so there is nothing to guess and nothing to gain by a slow hash, as with tokens
        (``secrets.digest``); for a list of 10,000 people argon2 would take a quarter of an hour.
        """
        return f"{_ONE_TIME}{hashlib.sha256(password.encode(errors='surrogatepass')).hexdigest()}"

    def fits(self, password_hash: str, password: str) -> bool:
        """Whether the password is the one that was hashed. Takes as long when it is not, and whatever kind of hash it is."""
        if password_hash.startswith(_ONE_TIME):
            self.fits(self.nobodys_hash, password)  # else the time would tell who has not signed in yet
            return hmac.compare_digest(password_hash, self.hash_one_time(password))
        try:
            return _hashing().submit(self._hasher.verify, password_hash, password).result()
        except (VerificationError, InvalidHashError):
            return False

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return not password_hash.startswith(_ONE_TIME) and self._hasher.check_needs_rehash(password_hash)

    @cached_property
    def nobodys_hash(self) -> str:
        """A hash that fits no password, compared with when the account does not exist so that both cases take as long."""
        return self.hash("\x00 no password of a person contains this")
