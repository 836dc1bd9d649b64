"""Random secrets (session, token, ticket, key): shown once, stored as digests.

They carry 256 random bits, so a plain SHA-256 is enough: there is nothing to guess.
"""

import hashlib
import os
from pathlib import Path

from yunzhuo.phoenix.common.ids import new_secret


def digest(secret: str) -> str:
    """The form in which a secret is stored and looked up: 64 hexadecimal characters."""
    return hashlib.sha256(secret.encode()).hexdigest()


def load_or_make(path: Path) -> str:
    """The secret in a file; made on first use, readable by this user alone. Safe when two processes come first at once."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(new_secret() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # fails when another process was first: then its secret counts
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
