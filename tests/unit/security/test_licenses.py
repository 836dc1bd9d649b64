"""Licenses as files: what is signed is read, and nothing else; the documented reader agrees."""

import base64
import hmac
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.security import licenses, sealed, signing_keys
from yunzhuo.phoenix.security.licenses import License, LicenseRefused, Limits
from yunzhuo.phoenix.security.sealed import SealBroken, canonical

KEY = signing_keys.make()
OTHER = signing_keys.make()
TRUSTED = {KEY.thumbprint(): signing_keys.public(KEY)}
NOW = datetime(2026, 9, 1, tzinfo=UTC)
DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "license-format.md"
VALUES: dict[str, Any] = {
    "license_id": "l-1",
    "serial": 7,
    "installation_id": "i-1",
    "installation_key": OTHER.thumbprint(),
    "customer": "第一中学",
    "edition": "school",
    "features": ("pools",),
    "limits": Limits(desktops=40, memory_mib=81_920),
    "issued_at": NOW,
    "not_before": NOW,
    "expires_at": NOW + timedelta(days=365),
}
GOOD = License(**VALUES)
FILE = licenses.sign(GOOD, KEY)


def enveloped(protected: object, payload: object, key: OKPKey = KEY, signed: bytes | None = None) -> bytes:
    """A file made by hand: what is not bytes becomes canonical JSON; ``signed``: what is signed instead."""
    parts = [
        base64.urlsafe_b64encode(part if isinstance(part, bytes) else canonical(part)).rstrip(b"=")  # type: ignore[arg-type]
        for part in (protected, payload)
    ]
    signature = key.private_key.sign(signed or b".".join(parts))  # type: ignore[union-attr]
    return written(parts[0], parts[1], base64.urlsafe_b64encode(signature).rstrip(b"="))


def written(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """The file with these members."""
    return canonical({"protected": protected.decode(), "payload": payload.decode(), "signature": signature.decode()})


HEADER = {"alg": "Ed25519", "kid": KEY.thumbprint(), "typ": "yunzhuo-license"}
CONTENT = GOOD.model_dump(mode="json", exclude_none=True)


def test_a_license_is_read_as_it_was_signed() -> None:
    assert licenses.read(FILE, TRUSTED.get) == (GOOD, KEY.thumbprint())
    assert enveloped(HEADER, CONTENT) == FILE  # Ed25519 signs alike every time: made by hand it is the same file


def test_no_bit_of_it_can_be_changed() -> None:
    for position in range(len(FILE)):
        for bit in range(8):
            changed = bytearray(FILE)
            changed[position] ^= 1 << bit
            with pytest.raises((SealBroken, LicenseRefused)):
                licenses.read(bytes(changed), TRUSTED.get)


@pytest.mark.parametrize(
    "change",
    [lambda file: file + b"\n", lambda file: b" " + file, lambda file: file[:-1], lambda file: b"", lambda file: b"[" * 60_000],
)
def test_nothing_may_be_added_or_cut(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(SealBroken) as refusal:
        licenses.read(change(FILE), TRUSTED.get)
    assert refusal.value.code == "license_unreadable"


def test_a_key_that_is_not_trusted_counts_for_nothing() -> None:
    with pytest.raises(SealBroken) as refusal:
        licenses.read(licenses.sign(GOOD, OTHER), TRUSTED.get)
    assert refusal.value.code == "license_unknown_key"
    with pytest.raises(SealBroken) as refusal:
        licenses.read(enveloped(HEADER, CONTENT, key=OTHER), TRUSTED.get)  # another key that says it is ours
    assert refusal.value.code == "license_altered"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "EdDSA"},
        {"alg": "ed25519"},
        {"alg": ["Ed25519"]},
        {"typ": "yunzhuo-host-info"},
        {"typ": "JWT"},
        {"kid": 1},
        {"crit": ["exp"], "exp": 1},
        {"jwk": OTHER.as_dict(private=False)},
        {"b64": False, "crit": ["b64"]},
    ],
    ids=lambda header: "-".join(f"{name} {value}" for name, value in header.items() if name != "jwk") or "jwk",
)
def test_the_file_does_not_choose_how_it_is_checked(header: dict[str, object]) -> None:
    with pytest.raises(SealBroken) as refusal:
        licenses.read(enveloped(HEADER | header, CONTENT), TRUSTED.get)
    assert refusal.value.code == "license_unreadable"


def test_the_public_key_is_no_secret_to_sign_with() -> None:
    """The trick of RFC 8725, section 2.1: HMAC with the public key's bytes."""
    header = {**HEADER, "alg": "HS256"}
    parts = [base64.urlsafe_b64encode(canonical(part)).rstrip(b"=") for part in (header, CONTENT)]
    mac = hmac.digest(KEY.as_pem(private=False), b".".join(parts), "sha256")
    with pytest.raises(SealBroken):
        licenses.read(written(parts[0], parts[1], base64.urlsafe_b64encode(mac).rstrip(b"=")), TRUSTED.get)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": 2}, "license_version"),
        ({"version": True}, "license_unreadable"),
        ({"serial": 0}, "license_unreadable"),
        ({"serial": "7"}, "license_unreadable"),
        ({"expires_at": "2026-09-01T00:00:00Z"}, "license_unreadable"),
        ({"expires_at": "2027-09-01T00:00:00+08:00"}, "license_unreadable"),
        ({"limits": {"desktops": -1}}, "license_unreadable"),
        ({"limits": {"tables": 1}}, "license_unreadable"),
        ({"more": 1}, "license_unreadable"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_even_when_it_is_signed(change: dict[str, object], code: str) -> None:
    with pytest.raises(LicenseRefused) as refusal:
        licenses.read(enveloped(HEADER, CONTENT | change), TRUSTED.get)
    assert refusal.value.code == code


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_foreign_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(SealBroken):
        licenses.read(raw, TRUSTED.get)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    )
)
def test_foreign_members_are_refused(value: Any) -> None:
    for member in ("payload", "protected", "signature"):
        with pytest.raises((SealBroken, LicenseRefused)):
            licenses.read(json.dumps(json.loads(FILE) | {member: value}).encode(), TRUSTED.get)


def test_other_kinds_of_documents_are_no_licenses() -> None:
    with pytest.raises(SealBroken):
        licenses.read(sealed.seal("host-info", CONTENT, KEY), TRUSTED.get)


def documented(language: str) -> str:
    """The program in the format's document."""
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    assert found
    return found[1]


def write(folder: Path, document: bytes, key: OKPKey = KEY) -> tuple[str, str]:
    """The two files of a license."""
    for name, content in (("license.json", document), ("vendor.pub", key.as_pem(private=False))):
        (folder / name).write_bytes(content)
    return str(folder / "license.json"), str(folder / "vendor.pub")


def test_the_documented_reader_takes_the_good_one_and_no_other(tmp_path: Path) -> None:
    def takes(document: bytes, key: OKPKey = KEY) -> bool:
        command = [sys.executable, "-c", documented("python"), *write(tmp_path, document, key)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode == 0 and json.loads(done.stdout)["customer"] == GOOD.customer

    assert takes(FILE)
    assert not takes(FILE, OTHER)
    last = FILE.rindex(b'"') - 1  # of the signature's last character four bits mean nothing
    assert not takes(FILE[:last] + bytes([FILE[last] ^ 1]) + FILE[last + 1 :])
    assert not takes(enveloped(HEADER | {"alg": "none"}, CONTENT))
    assert not takes(FILE.replace(b"}", b" }"))


def test_the_documented_shell_commands_check_the_signature(tmp_path: Path) -> None:
    def takes(document: bytes, key: OKPKey = KEY) -> bool:
        write(tmp_path, document, key)
        done = subprocess.run(
            ["bash", "-c", documented("sh")], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode == 0 and "Verified Successfully" in done.stdout

    assert takes(FILE)
    assert not takes(FILE, OTHER)
    assert not takes(enveloped(HEADER, CONTENT | {"serial": 8}, key=OTHER))


def test_private_keys_are_kept_from_others(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "vendor.pem"
    signing_keys.write_private(path, KEY, "open sesame")
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in path.read_bytes()
    assert signing_keys.read_private(path, "open sesame").thumbprint() == KEY.thumbprint()
    with pytest.raises(FileExistsError):
        signing_keys.write_private(path, OTHER)
    for passphrase in ("wrong", None):
        with pytest.raises(InvalidInput):
            signing_keys.read_private(path, passphrase)
    path.chmod(0o640)
    with pytest.raises(InvalidInput) as refusal:
        signing_keys.read_private(path, "open sesame")
    assert refusal.value.code == "key_not_private"


@pytest.mark.parametrize(
    "content", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n", b"x" * 20_000]
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vendor.pub"
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as refusal:
        signing_keys.read_public(path)
    assert refusal.value.code == "key_unreadable"
