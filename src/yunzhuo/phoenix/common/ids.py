"""Identifiers: random, unguessable, safe in URLs, file names and cloud metadata."""

import secrets
import uuid


def new_id() -> str:
    """A new object id: a version 4 UUID in its 36-character form."""
    return str(uuid.uuid4())


def new_secret(n_bytes: int = 32) -> str:
    """A new secret of ``n_bytes`` random bytes as URL-safe text without padding."""
    return secrets.token_urlsafe(n_bytes)
