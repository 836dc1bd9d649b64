"""Files with keys that are not what they should be."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.security import signing_keys
from yunzhuo.phoenix.security.authority import load_or_make_authority, write_private

NOW = datetime(2026, 9, 1, tzinfo=UTC)


def test_an_authority_is_made_once_and_another_key_in_its_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "authority.pem"
    made = load_or_make_authority(path, "A test", NOW)
    assert load_or_make_authority(path, "Another name", NOW).certificate == made.certificate
    key = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(path, key.decode())
    with pytest.raises(ValueError, match="no key of an authority of ours"):
        load_or_make_authority(path, "A test", NOW)


def test_a_public_key_does_not_sign(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_private(path, signing_keys.public(signing_keys.make()).as_pem(private=False).decode())
    with pytest.raises(InvalidInput, match="a public key only"):
        signing_keys.read_private(path)
    assert signing_keys.read_public(path).thumbprint()
