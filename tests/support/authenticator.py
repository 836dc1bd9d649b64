"""An authenticator in software: makes and uses passkeys as the WebAuthn specification says (level 2, sections 6 and 7)."""

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_PRESENT, _VERIFIED, _HAS_CREDENTIAL = 0x01, 0x04, 0x40


def encoded(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """The same back."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One passkey. ``origin`` is what the browser says the page's is; ``verifies`` whether it asks for a finger or a PIN."""

    origin: str = "http://localhost:8080"
    verifies: bool = True
    count: int = 0
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = b"one passkey of one test"
    user_handle: bytes = b""

    def create(self, options: str) -> str:
        """What ``navigator.credentials.create`` answers, as JSON."""
        asked = json.loads(options)
        self.user_handle = decoded(asked["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        public_key = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        credential = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id + public_key
        data = self._data(asked["rp"]["id"], _HAS_CREDENTIAL) + credential
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            {"clientDataJSON": self._client_data("webauthn.create", asked), "attestationObject": encoded(attestation)}
        )

    def get(self, options: str) -> str:
        """What ``navigator.credentials.get`` answers, as JSON."""
        asked = json.loads(options)
        self.count += 1
        data, client_data = self._data(asked["rpId"]), self._client_data("webauthn.get", asked)
        signed = data + hashlib.sha256(decoded(client_data)).digest()
        signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": client_data,
                "authenticatorData": encoded(data),
                "signature": encoded(signature),
                "userHandle": encoded(self.user_handle),
            }
        )

    def _data(self, rp_id: str, flags: int = 0) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + struct.pack(">I", self.count)

    def _client_data(self, kind: str, asked: dict[str, Any]) -> str:
        data = {"type": kind, "challenge": asked["challenge"], "origin": self.origin, "crossOrigin": False}
        return encoded(json.dumps(data).encode())

    def _answer(self, response: dict[str, str]) -> str:
        name = encoded(self.credential_id)
        answer = {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}
        return json.dumps(answer)
