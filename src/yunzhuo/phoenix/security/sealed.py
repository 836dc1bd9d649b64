"""JSON that one party has signed and another can check: the envelope of licenses and host-info files.

A JSON Web Signature (RFC 7515) in flattened JSON form with one Ed25519 signature (RFC 8037, RFC 9864), made and checked by
joserfc. Beyond the RFCs there is one way only to write a document: canonical JSON, base64url without spare bits. So no byte of
it can be changed and the document still be taken, be it a byte that no signature covers. ``docs/reference/license-format.md``
says the same for other programs.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from yunzhuo.phoenix.common.errors import InvalidInput

MAX_BYTES = 64 * 1024
_ALGORITHM = "Ed25519"
_MEMBERS = {"payload", "protected", "signature"}


class DocumentRefused(InvalidInput):
    """A signed document is not taken, for the reason that ``code`` names."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message, code=code)


class SealBroken(DocumentRefused):
    """The document is not what somebody we know has signed. ``code`` is ``..._unreadable``, ``..._unknown_key`` or
    ``..._altered``, begun with the kind of document."""


def seal(kind: str, content: Mapping[str, object], key: OKPKey) -> bytes:
    """``content`` as a signed document of this kind (``license``): canonical JSON, ASCII outside of strings."""
    header = {"alg": _ALGORITHM, "kid": key.thumbprint(), "typ": _type(kind)}
    envelope = jws.serialize_json({"protected": header}, canonical(content), key, algorithms=[_ALGORITHM])
    return canonical(envelope)


def unseal(kind: str, document: bytes, find_key: Callable[[str], OKPKey | None]) -> tuple[Mapping[str, Any], str]:
    """The content of a document and the id of the key that signed it. Raises SealBroken.

    ``find_key`` answers a public key by its id (RFC 7638 thumbprint), None for one that is not trusted.
    """
    envelope = _parsed(kind, document)
    if envelope.keys() != _MEMBERS:
        raise _broken(kind, "unreadable", "Its members are not those of a signed document.")
    payload, protected, _ = (_decoded(kind, envelope[member]) for member in sorted(_MEMBERS))
    header = _parsed(kind, protected)
    key_id = header.get("kid")
    if not isinstance(key_id, str) or header != {"alg": _ALGORITHM, "kid": key_id, "typ": _type(kind)}:
        raise _broken(kind, "unreadable", f"It is signed in another way than Ed25519, or is no {kind}.")
    key = find_key(key_id)
    if key is None:
        raise _broken(kind, "unknown_key", "It is signed with a key that is not known here.")
    try:
        jws.deserialize_json(cast(jws.FlattenedJSONSerialization, envelope), key, algorithms=[_ALGORITHM])
    except (JoseError, ValueError) as error:
        raise _broken(kind, "altered", "Its signature does not fit: it was changed, or somebody else made it.") from error
    return _parsed(kind, payload), key_id


def unsigned(kind: str, document: bytes) -> Mapping[str, Any]:
    """What a document says, whoever made it: to be believed only once :func:`unseal` has taken it. Raises SealBroken."""
    return _parsed(kind, _decoded(kind, _parsed(kind, document).get("payload")))


def canonical(content: Mapping[str, Any]) -> bytes:
    """JSON in the one way that counts (RFC 8785, for objects without fractions): names sorted, no blanks, UTF-8."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def _type(kind: str) -> str:
    return f"yunzhuo-{kind}"


def _parsed(kind: str, raw: bytes) -> Mapping[str, Any]:
    if len(raw) > MAX_BYTES:
        raise _broken(kind, "unreadable", f"It is larger than {MAX_BYTES} bytes.")
    try:
        content = json.loads(raw)
        is_canonical = isinstance(content, dict) and canonical(content) == raw
    except (ValueError, RecursionError) as error:
        raise _broken(kind, "unreadable", "It is no JSON.") from error
    if not is_canonical:
        raise _broken(kind, "unreadable", "It is not written in the one way that counts; was it edited or reformatted?")
    return cast(Mapping[str, Any], content)


def _decoded(kind: str, text: object) -> bytes:
    try:
        if not isinstance(text, str):
            raise TypeError("a string is needed")
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise _broken(kind, "unreadable", "A part of it is not base64url.") from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != text.encode():
        raise _broken(kind, "unreadable", "A part of it is not written in the one way that counts.")
    return raw


def _broken(kind: str, what: str, why: str) -> SealBroken:
    return SealBroken(f"{kind.replace('-', '_')}_{what}", f"This {kind} is refused. {why}")
