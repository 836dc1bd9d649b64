"""What an installation and its vendor's server say to each other when a license is had over the network.

The installation signs the server's challenge with its own key; the server signs its answer, with that challenge in it, with the
vendor's. So each knows whom it talks to, whatever carries the two, and neither can be replayed.
"""

from collections.abc import Callable
from typing import Annotated

from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yunzhuo.phoenix.security import host_info, sealed
from yunzhuo.phoenix.security.host_info import HostInfo
from yunzhuo.phoenix.security.licenses import LicenseRefused, Time

REQUEST = "activation-request"
ANSWER = "activation-answer"
_Secret = Annotated[str, Field(min_length=1, max_length=100)]


class ActivationRequest(HostInfo):
    """``code``: what the vendor gave to whoever sets an installation up, once. ``line``: what the server's last answer said;
    two computers with one key cannot both know it. ``serial``: the highest that was ever taken."""

    challenge: _Secret
    code: _Secret | None = None
    line: _Secret | None = None
    serial: Annotated[int, Field(ge=0, le=2**53 - 1)] = 0


class ActivationAnswer(BaseModel):
    """``license``: the license file as it is; ``line``: what to say the next time; None for whoever was moved away from."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Annotated[int, Field(ge=1, le=1)] = 1
    challenge: _Secret
    license: Annotated[str, Field(max_length=sealed.MAX_BYTES // 2)]
    line: _Secret | None = None
    at: Time


def sign_request(said: ActivationRequest, key: OKPKey) -> bytes:
    """Signed by the installation."""
    return host_info.seal(REQUEST, said, key)


def read_request(document: bytes) -> ActivationRequest:
    """What an installation asks. Raises SealBroken, LicenseRefused."""
    return host_info.unseal(REQUEST, ActivationRequest, document)


def sign_answer(said: ActivationAnswer, key: OKPKey) -> bytes:
    """Signed by the vendor."""
    return sealed.seal(ANSWER, said.model_dump(mode="json", exclude_none=True), key)


def read_answer(document: bytes, find_key: Callable[[str], OKPKey | None], *, challenge: str) -> ActivationAnswer:
    """What a server that has the vendor's key answers to this very challenge. Raises SealBroken, LicenseRefused."""
    content, _ = sealed.unseal(ANSWER, document, find_key)
    try:
        said = ActivationAnswer.model_validate_json(sealed.canonical(content))
    except ValidationError as error:
        raise LicenseRefused("activation_answer_unreadable", "The license server's answer makes no sense.") from error
    if said.challenge != challenge:
        raise LicenseRefused("activation_answer_replayed", "The license server's answer belongs to another question.")
    return said
