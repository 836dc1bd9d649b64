"""Which names a file may have on its way into a desktop and out of it, and where it lies there."""

import unicodedata

FOLDER = "Downloads"

# A file system takes 255 bytes; some are for the mark of a file that is not whole yet.
LONGEST_BYTES = 240
_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
# They turn the order of what is read: "gpj.exe" would look like "exe.jpg" (UAX #9, Trojan Source).
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_good(name: str) -> bool:
    """Whether a file may be called so: a plain name that says what it is, never a path."""
    if name in {"", ".", ".."} or name.startswith(".") or name != name.strip():
        return False
    if any(character in "/\\" or character in _TURNING or unicodedata.category(character) in _NO_TEXT for character in name):
        return False
    return len(name.encode()) <= LONGEST_BYTES


def path_of(name: str) -> str:
    """Where the file lies, in the person's home folder."""
    return f"{FOLDER}/{name}"


def partial_path_of(name: str) -> str:
    """Where it grows until it is whole."""
    return f"{FOLDER}/.{name}.partial"
