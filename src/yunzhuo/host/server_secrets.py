"""What makes a server itself and no other's copy, and the passwords of its screens. Made once, kept with it."""

import base64
import secrets
import string
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import BaseModel, ConfigDict, Field

from yunzhuo.host.layout import SECRETS_NAME
from yunzhuo.host.store import write_whole

_LETTERS = string.ascii_letters + string.digits
# The VNC protocol's own check (RFC 6143, 7.2.2) reads eight bytes of a password.
_VNC_PASSWORD_LENGTH = 8
_SPICE_PASSWORD_LENGTH = 32
_MACHINE_ID_NAMESPACE = uuid.UUID("6c0c3d0e-4b0f-5d6a-9a55-0a3f3c6a7a11")


class ServerSecrets(BaseModel):
    """Never logged, never sent to the manager except a screen's password with its console."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine_id: str
    ssh_key_private: str = Field(repr=False)
    ssh_key_public: str
    vnc_password: str = Field(repr=False)
    spice_password: str = Field(repr=False)


def new_secrets(server_id: str) -> ServerSecrets:
    """Fresh secrets. The machine-id follows from the server's id, and does not give it away."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return ServerSecrets(
        machine_id=uuid.uuid5(_MACHINE_ID_NAMESPACE, server_id).hex,
        ssh_key_private=private.decode(),
        ssh_key_public=f"{public.decode()}\n",
        vnc_password=_random_text(_VNC_PASSWORD_LENGTH),
        spice_password=_random_text(_SPICE_PASSWORD_LENGTH),
    )


def save_secrets(folder: Path, server_secrets: ServerSecrets) -> None:
    """Keep them in the server's folder, readable by us alone."""
    write_whole(folder / SECRETS_NAME, server_secrets.model_dump_json().encode())


def load_secrets(folder: Path) -> ServerSecrets:
    """Raises OSError, pydantic's ValidationError."""
    return ServerSecrets.model_validate_json((folder / SECRETS_NAME).read_bytes())


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a machine is to become, in the words that its guest understands.

    ``hostname`` and ``language`` (None: whatever it speaks) are asked anew every time.
    """

    secrets: ServerSecrets
    hostname: Callable[[], str]
    language: Callable[[], str | None] = lambda: None

    @property
    def machine_id(self) -> str:
        return self.secrets.machine_id

    def for_program(self, *, with_language: bool) -> bytes:
        """What ``/etc/desktop/identify`` in the guest reads from standard input.

        A guest that hears another language than its session's ends that session, with all that is open in it.
        """
        return self._lines(lambda key: base64.b64encode(key.encode()).decode(), with_language=with_language)

    def for_port(self) -> bytes:
        """What ``/etc/desktop/await-identity``, which waits in goldens, reads from its port."""
        return self._lines(lambda key: key.strip().replace("\n", "|"), with_language=True) + b"end\n"

    def _lines(self, encode: Callable[[str], str], *, with_language: bool) -> bytes:
        lines = {
            # Guests drop the fraction, so half a second is what they are wrong at most.
            "time": f"{time.time() + 0.5:.3f}",
            "hostname": self.hostname(),
            "machine-id": self.secrets.machine_id,
            "ssh-key-private": encode(self.secrets.ssh_key_private),
            "ssh-key-public": encode(self.secrets.ssh_key_public),
        }
        if with_language and (language := self.language()) is not None:
            lines["language"] = language
        return "".join(f"{key} {value}\n" for key, value in lines.items()).encode()


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
