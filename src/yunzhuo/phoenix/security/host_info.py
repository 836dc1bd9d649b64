"""Who an installation is: signed with its own key, carried to the vendor by file or over HTTPS.

The same envelope as a license's, of kind ``host-info``. The key that it is signed with stands in it, so it proves one thing:
whoever made it has that key. A license is bound to the key's id.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypeVar

from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.security import sealed, signing_keys
from yunzhuo.phoenix.security.licenses import LicenseRefused, Time

KIND = "host-info"
_Text = Annotated[str, Field(min_length=1, max_length=200)]
_Said = TypeVar("_Said", bound="HostInfo")


class HostInfo(BaseModel):
    """What an installation says of itself. ``machine`` is a digest that changes when it moves to another computer;
    ``vendor_keys`` are the ids of the keys that its build trusts, as no other can sign its license."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Annotated[int, Field(ge=1, le=1)] = 1
    public_key: Annotated[str, Field(max_length=400)]
    host_name: _Text
    machine: _Text
    yunzhuo: _Text
    vendor_keys: Annotated[tuple[_Text, ...], Field(max_length=20)] = ()
    made_at: Time

    @property
    def key(self) -> OKPKey:
        """The installation's public key. Raises InvalidInput."""
        return signing_keys.public_from(self.public_key)

    @property
    def key_id(self) -> str:
        """What a license is bound to."""
        return self.key.thumbprint()


def sign(
    key: OKPKey, *, host_name: str, machine: str, yunzhuo: str, vendor_keys: Sequence[str] = (), made_at: datetime
) -> bytes:
    """The file."""
    made = HostInfo(
        public_key=key.as_pem(private=False).decode(),
        host_name=host_name,
        machine=machine,
        yunzhuo=yunzhuo,
        vendor_keys=tuple(vendor_keys),
        made_at=made_at.replace(microsecond=0),
    )
    return seal(KIND, made, key)


def seal(kind: str, said: HostInfo, key: OKPKey) -> bytes:
    """What an installation says, signed with its own key."""
    return sealed.seal(kind, said.model_dump(mode="json", exclude_none=True), key)


def read(document: bytes) -> HostInfo:
    """What an installation says, signed with the key that stands in it. Raises SealBroken, LicenseRefused."""
    return unseal(KIND, HostInfo, document)


def unseal(kind: str, model: type[_Said], document: bytes) -> _Said:
    """The same of a document of another kind that says more. Raises SealBroken, LicenseRefused."""
    try:
        said = model.model_validate_json(sealed.canonical(sealed.unsigned(kind, document)))
        key = said.key
    except (ValidationError, InvalidInput) as error:
        code = f"{kind.replace('-', '_')}_unreadable"
        raise LicenseRefused(code, f"This {kind} is refused. It makes no sense.") from error
    sealed.unseal(kind, document, lambda key_id: key if key.thumbprint() == key_id else None)
    return said
