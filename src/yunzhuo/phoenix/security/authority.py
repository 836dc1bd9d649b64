"""A certificate authority of the installation's own: made once, believed by those who were given its certificate."""

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_AUTHORITY_LASTS = timedelta(days=20 * 365)
_CERTIFICATE_LASTS = timedelta(days=2 * 365)
# Computers whose clocks are a little behind ours believe it, too.
_BEFORE = timedelta(days=2)
_ONLY_SIGNS = {
    "digital_signature": False,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": True,
    "crl_sign": True,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True)
class Authority:
    """``certificate`` is PEM, to be given to those who shall believe it."""

    certificate: str
    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    def vouch(self, host: str, now: datetime) -> str:
        """A new private key and a certificate for a host name or address, with this authority's, as one PEM text."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = x509.load_pem_x509_certificate(self.certificate.encode())
        builder = _begun(host, now, _CERTIFICATE_LASTS).issuer_name(own.subject).public_key(key.public_key())
        made = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return _private_pem(key) + _pem(made) + self.certificate


def load_or_make_authority(path: Path, name: str, now: datetime) -> Authority:
    """The authority in a file; made on first use, readable by this user alone. Safe when two processes come first at once."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        write_private(draft, _make(name, now))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first: then its authority counts
        finally:
            draft.unlink()
    text = path.read_bytes()
    key = serialization.load_pem_private_key(text, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} holds no key of an authority of ours")
    return Authority(_pem(x509.load_pem_x509_certificate(text)), key)


def write_private(path: Path, text: str) -> None:
    """Write a file that this user alone can read, whole before anybody sees it."""
    partial = path.with_name(f".{path.name}.partial.{os.getpid()}")
    with open(partial, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _make(name: str, now: datetime) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    made = (
        _begun(name, now, _AUTHORITY_LASTS)
        .issuer_name(subject)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**_ONLY_SIGNS), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return _private_pem(key) + _pem(made)


def _begun(name: str, now: datetime, lasts: timedelta) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + lasts)
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()
