"""The cloud's passwords: made once for each state folder, known to nobody else."""

import json
import os
import secrets
from pathlib import Path

NAMES = ("admin", "services", "tenant", "rabbitmq", "application_credential", "notifications")


def read_or_make(path: Path) -> dict[str, str]:
    """A password for each of NAMES. The file is its owner's alone from its first byte on."""
    try:
        known: dict[str, str] = json.loads(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        known = {}
    if set(known) != set(NAMES):
        known = {name: known.get(name) or secrets.token_urlsafe(24) for name in NAMES}
        partial = path.with_suffix(".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump(known, file)
        partial.replace(path)
    return known
