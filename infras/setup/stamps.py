"""Fingerprints of what was last installed or built, so that the second time costs nothing."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def fingerprint(*parts: str, files: Iterable[Path] = ()) -> str:
    """A checksum of words and of files with their paths; a file that is missing counts, too."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    for file in files:
        digest.update(str(file).encode() + b"\0")
        if file.is_file():
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def stands(stamp: Path, expected: str) -> bool:
    """Whether ``stamp`` was set with this fingerprint."""
    try:
        return stamp.read_text(encoding="ascii") == expected
    except (OSError, UnicodeDecodeError):
        return False


def set_stamp(stamp: Path, value: str) -> None:
    """To be called last: a set-up that was interrupted has no stamp and starts again."""
    stamp.write_text(value, encoding="ascii")
