"""Ed25519 keys in files. Private ones are written with strict rights, encrypted where there is a passphrase."""

import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
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
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.as_pem(private=True, password=passphrase))
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # whole or not at all; fails when there is one
    finally:
        draft.unlink()


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
    return public(_read(path, None))


def public_from(pem: str) -> OKPKey:
    """A public key as it stands in a document. Raises InvalidInput when it is none, or more than that."""
    key = _parsed(pem.encode(), None)
    if key is None or key.is_private:
        raise InvalidInput("This is no Ed25519 public key.", code="key_unreadable")
    return key


def public(key: OKPKey) -> OKPKey:
    """The part of a key that everybody may have."""
    return OKPKey.import_key(key.as_pem(private=False))


def _read(path: Path, passphrase: str | None) -> OKPKey:
    key = _parsed(path.read_bytes(), passphrase)
    if key is None:
        problem = f"{path} holds no Ed25519 key that can be read with this passphrase."
        raise InvalidInput(problem, code="key_unreadable")
    return key


def _parsed(pem: bytes, passphrase: str | None) -> OKPKey | None:
    if len(pem) > _MAX_BYTES:
        return None
    try:
        key = OKPKey.import_key(pem, password=passphrase)
    except (ValueError, TypeError, JoseError, UnsupportedAlgorithm):
        return None
    return key if key.curve_name == _CURVE else None
