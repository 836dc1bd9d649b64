"""Both ends of a SPICE link: a server with a real key, and what a viewer sends."""

import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY = rsa.generate_private_key(65537, 1024)
MAIN_CHANNEL = 1
SELECTS_AUTH, MINI_HEADER = 1, 8


def link_message(channel: int = MAIN_CHANNEL, *, connection: int = 0, capabilities: int = SELECTS_AUTH | MINI_HEADER) -> bytes:
    """What a viewer begins a channel with."""
    body = struct.pack("<IBBIII", connection, channel, 0, 1, 0, 18) + capabilities.to_bytes(4, "little")
    return b"REDQ" + struct.pack("<III", 2, 2, len(body)) + body


def link_reply(*, capabilities: int = SELECTS_AUTH | MINI_HEADER, error: int = 0, key: bytes | None = None) -> bytes:
    """What a server answers to it."""
    der = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) if key is None else key
    body = struct.pack("<I162sIII", error, der, 1, 0, 178) + capabilities.to_bytes(4, "little")
    return b"REDQ" + struct.pack("<III", 2, 2, len(body)) + body


def proof(*, selects: bool = True) -> bytes:
    """What a viewer then sends: the way of the proof, and a password, which behind a gateway is any."""
    return (b"\1\0\0\0" if selects else b"") + b"\x5a" * 128


def password_of(sent: bytes) -> bytes:
    """What a server decrypts."""
    return KEY.decrypt(sent, padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None))
