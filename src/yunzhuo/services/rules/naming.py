"""Names: what a person may call a desktop, and what the machine calls itself."""

import re
import unicodedata

from yunzhuo.phoenix.common.errors import InvalidInput

MAX_NAME = 64
MAX_HOSTNAME = 63  # RFC 1123, section 2.1
_ID_PART = 8
_KEY = re.compile(r"[\x21-\x7e]{1,128}")


def checked_name(name: str) -> str:
    """The name as it is kept: trimmed, in Unicode's composed form.

    Raises InvalidInput when it is empty, longer than 64 characters, or has characters that cannot be seen.
    """
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise _wrong("A name needs at least one character.")
    if len(cleaned) > MAX_NAME:
        raise _wrong(f"A name has at most {MAX_NAME} characters; this one has {len(cleaned)}.")
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for character in cleaned):
        raise _wrong("A name cannot contain control characters.")
    return cleaned


def default_name(image_name: str, number: int) -> str:
    """What a desktop is called when nobody said: the image's name and a number."""
    suffix = f" {number}"
    return image_name[: MAX_NAME - len(suffix)].rstrip() + suffix


def hostname(name: str, desktop_id: str) -> str:
    """What the machine calls itself: a label of RFC 1123 that resembles the name and is nobody else's.

    The desktop's id makes it unique; of the name those characters stay that a label may have.
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    label = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")
    unique = desktop_id.replace("-", "")[:_ID_PART]
    return f"{label[: MAX_HOSTNAME - _ID_PART - 1].rstrip('-') or 'desktop'}-{unique}"


def checked_idempotency_key(key: str) -> str:
    """The key, if it is 1 to 128 visible ASCII characters. Raises InvalidInput otherwise."""
    if not _KEY.fullmatch(key):
        raise InvalidInput(
            "The Idempotency-Key is not valid.", fields={"Idempotency-Key": "1 to 128 visible ASCII characters."}
        )
    return key


def _wrong(reason: str) -> InvalidInput:
    return InvalidInput("The name is not valid.", fields={"name": reason})
