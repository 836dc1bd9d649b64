"""Ed25519 keys in files. Private ones are written with strict rights, encrypted where there is a passphrase."""

import os
from pathlib import Path
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from yunzhuo.phoenix.common.errors import InvalidInput

_CURVE: Final = "Ed25519"
_MAX_BYTES = 16 * 1024


def make() -> OKPKey:
    """A new private key. Its id is :meth:`OKPKey.thumbprint` (RFC 7638)."""
    return OKPKey.generate_key(_CURVE)


def write_private(path: Path, key: OKPKey, passphrase: str | None = None) -> None:
    """Write a private key (PKCS #8, PEM) into a new file that only this user can read. Raises FileExistsError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.as_pem(private=True, password=passphrase))
        file.flush()
        os.fsync(file.fileno())


def read_private(path: Path, passphrase: str | None = None) -> OKPKey:
    """The private key in a file. Raises InvalidInput when it is none, the passphrase is wrong, or others can read the file."""
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise InvalidInput(f"{path} can be read by others; chmod 600 it.", code="key_not_private")
    key = _read(path, passphrase)
    if not key.is_private:
        raise InvalidInput(f"{path} holds a public key only.", code="key_unreadable")
    return key


def read_public(path: Path) -> OKPKey:
    """The public key in a file (SubjectPublicKeyInfo, PEM). Raises InvalidInput."""
    key = _read(path, None)
    return public(key)


def public(key: OKPKey) -> OKPKey:
    """The part of a key that everybody may have."""
    return OKPKey.import_key(key.as_pem(private=False))


def _read(path: Path, passphrase: str | None) -> OKPKey:
    problem = InvalidInput(f"{path} holds no Ed25519 key that can be read with this passphrase.", code="key_unreadable")
    try:
        raw = path.read_bytes()
        if len(raw) > _MAX_BYTES:
            raise problem
        key = OKPKey.import_key(raw, password=passphrase)
    except (OSError, ValueError, TypeError, JoseError) as error:
        raise problem from error
    if key.curve_name != _CURVE:
        raise problem
    return key
