"""Nothing private is in the repository: no key that signs or decrypts, in PEM or as a JWK."""

import re
import subprocess
from pathlib import Path

import pytest

from yunzhuo.phoenix.security import signing_keys

ROOT = Path(__file__).parents[3]
PEM = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----(\\n|\\r|\s)+[A-Za-z0-9+/=]{16,}")
JWK = re.compile(rb'"d"\s*:\s*"[A-Za-z0-9_-]{40,}"')


def has_private_key(content: bytes) -> bool:
    """Whether there is one in a file."""
    return bool(PEM.search(content) or JWK.search(content))


def test_no_committed_file_has_a_private_key() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=60).stdout
    files = [ROOT / name.decode() for name in listed.split(b"\0") if name]
    assert len(files) > 100  # it is the repository that is looked at
    found = [str(file) for file in files if file.is_file() and has_private_key(file.read_bytes())]
    assert not found


@pytest.mark.parametrize("passphrase", [None, "open sesame"])
def test_one_would_be_found(passphrase: str | None) -> None:
    key = signing_keys.make()
    pem = key.as_pem(private=True, password=passphrase)
    assert has_private_key(pem)
    assert has_private_key(pem.replace(b"\n", b"\\n"))  # inside a string
    assert has_private_key(str(key.as_dict(private=True)).replace("'", '"').encode())
    assert not has_private_key(key.as_pem(private=False))
