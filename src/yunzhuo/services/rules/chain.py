"""The chain of the audit log: each link is the hash of the one before and of an entry in its canonical form."""

import hashlib
import json
from collections.abc import Mapping

START = "0" * 64


def canonical(entry: Mapping[str, object]) -> bytes:
    """An entry as the bytes that are hashed: JSON with sorted names and no white space, in UTF-8 (as RFC 8785 for what is
    in entries: texts, whole numbers, true and false, nothing)."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def link(before: str, sequence: int, entry: Mapping[str, object]) -> str:
    """The hash at ``sequence``, 64 hexadecimal characters, after the hash ``before``."""
    return hashlib.sha256(b"%s\n%d\n%s" % (before.encode(), sequence, canonical(entry))).hexdigest()
