"""The vendor's signing keys: files in one folder, private halves for this user alone, encrypted with a passphrase if any.

The newest one signs, unless the build of an installation does not know it yet: then the newest that it knows. A key is good
until it is retired; then its private half is gone.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from joserfc.jwk import OKPKey

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, NotFound
from yunzhuo.phoenix.security import signing_keys

_PREFIX = "signing-"
_LIST = f"{_PREFIX}keys.json"


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key without its private half. ``signs``: it is the one that signs now."""

    id: str
    public_key: str
    made_at: datetime
    retired_at: datetime | None
    signs: bool


class KeyCabinet:
    """The keys in ``folder``, among other secrets. ``passphrase`` None: they are not encrypted."""

    def __init__(self, folder: Path, passphrase: str | None, clock: Clock) -> None:
        self._folder = folder
        self._passphrase = passphrase
        self._clock = clock

    def list(self) -> Sequence[KeyView]:
        """All keys, the newest first."""
        entries = self._entries()
        good = [key_id for key_id, entry in entries.items() if entry["retired_at"] is None]
        return [
            KeyView(
                key_id,
                self._public(key_id).read_text(),
                datetime.fromisoformat(str(entry["made_at"])),
                datetime.fromisoformat(entry["retired_at"]) if entry["retired_at"] else None,
                bool(good) and key_id == good[-1],
            )
            for key_id, entry in reversed(entries.items())
        ]

    def create(self) -> KeyView:
        """Make the first key. Raises Conflict when there is one: then it is to be rotated."""
        if any(key.retired_at is None for key in self.list()):
            raise Conflict("key_exists", "There is a signing key already; `rotate` makes another one.")
        return self.rotate()

    def rotate(self) -> KeyView:
        """Make another key, which signs from now on; those before it stay good until they are retired."""
        key = signing_keys.make()
        key_id = key.thumbprint()
        signing_keys.write_private(self._private(key_id), key, self._passphrase)
        self._public(key_id).write_bytes(key.as_pem(private=False))
        self._write({**self._entries(), key_id: {"made_at": self._clock.now().isoformat(), "retired_at": None}})
        return self.list()[0]

    def retire(self, key_id: str) -> KeyView:
        """Sign nothing with this key any more; its private half is deleted. Raises NotFound, Conflict for the last one."""
        entries = self._entries()
        if key_id not in entries:
            raise NotFound("key_not_found", "There is no such key.")
        if not [other for other, entry in entries.items() if other != key_id and entry["retired_at"] is None]:
            raise Conflict("last_key", "This is the only key that signs; `rotate` first.")
        entries[key_id]["retired_at"] = entries[key_id]["retired_at"] or self._clock.now().isoformat()
        self._write(entries)
        self._private(key_id).unlink(missing_ok=True)
        return next(key for key in self.list() if key.id == key_id)

    def signing_key(self, known: Collection[str]) -> OKPKey:
        """The newest private key that a build knows which trusts ``known``. Raises Conflict when it knows none of ours."""
        good = [key for key in self.list() if key.retired_at is None and key.id in known]
        if not good:
            told = "The build of this installation trusts none of our keys; pin one (`yunzhuo license keys pin`)."
            raise Conflict("no_common_key", told)
        return signing_keys.read_private(self._private(good[0].id), self._passphrase)

    def pin(self) -> str:
        """What a build that trusts these keys has in ``vendor_pin.json``; whether it needs a license is the vendor's to say."""
        good = [key.public_key for key in self.list() if key.retired_at is None]
        return json.dumps({"keys": good, "license_needed": False}) + "\n"

    def _private(self, key_id: str) -> Path:
        return self._folder / f"{_PREFIX}{key_id}.pem"

    def _public(self, key_id: str) -> Path:
        return self._folder / f"{_PREFIX}{key_id}.pub"

    def _entries(self) -> dict[str, dict[str, str | None]]:
        try:
            found: dict[str, dict[str, str | None]] = json.loads((self._folder / _LIST).read_text())
        except FileNotFoundError:
            return {}
        return found

    def _write(self, entries: dict[str, dict[str, str | None]]) -> None:
        draft = self._folder / f".{_LIST}"
        draft.write_text(json.dumps(entries, indent=1))
        draft.replace(self._folder / _LIST)
