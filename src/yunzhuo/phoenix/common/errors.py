"""The error tree that every layer speaks.

::

    YunzhuoError(code, message)
    ├── Refused               asked for something that cannot be given; asking again gives the same answer
    │   ├── InvalidInput      the request itself is malformed (names the fields)
    │   ├── NotSignedIn       nobody knows who is asking
    │   ├── Forbidden         known, and not allowed
    │   ├── NotFound          does not exist, or belongs to someone else
    │   ├── Conflict          contradicts what is there now
    │   ├── LimitReached      a quota, a license or the room of a host is used up
    │   ├── TooManyAttempts   guessed too often (says when to come back)
    │   └── NotOffered        this cloud or edition does not have it
    └── Broken                something of ours or below us does not work; the same wish may succeed later
        ├── Unavailable       cannot be reached, or did not answer in time
        └── Inconsistent      an answer or a stored row contradicts itself

A refusal is shown to the person who asked, so its message is a plain sentence. HTTP status codes live in ``web`` alone.
"""

from collections.abc import Mapping


class YunzhuoError(Exception):
    """Root of all errors raised on purpose.

    ``code`` is a stable word for programs (``desktop_not_found``), ``message`` a sentence for people. ``details`` holds
    JSON values that explain it; never a secret.
    """

    def __init__(self, code: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: Mapping[str, object] = details
        self.is_on_record = False  # whether the audit log has it already

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


class Refused(YunzhuoError):
    """The wish cannot be granted; repeating it changes nothing."""


class InvalidInput(Refused):
    """The request is malformed. ``fields`` maps a field's name to what is wrong with it."""

    def __init__(self, message: str, *, code: str = "invalid_input", fields: Mapping[str, str] | None = None) -> None:
        super().__init__(code, message, fields=dict(fields or {}))
        self.fields = dict(fields or {})


class NotSignedIn(Refused):
    """Nobody knows who is asking."""


class Forbidden(Refused):
    """The asker is known and may not do this."""


class NotFound(Refused):
    """There is no such object, or it is none of the asker's business."""


class Conflict(Refused):
    """The wish contradicts the present state."""


class LimitReached(Refused):
    """A quota, a license or the room of a host is used up."""


class TooManyAttempts(Refused):
    """Guessed too often. ``retry_after_seconds`` says when to come back."""

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__("too_many_attempts", message, retry_after_seconds=retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds


class NotOffered(Refused):
    """This cloud, image or edition does not have what was asked for."""


class Broken(YunzhuoError):
    """Something does not work; the same wish may succeed later."""


class Unavailable(Broken):
    """Could not be reached, or did not answer in time."""


class Inconsistent(Broken):
    """An answer or a stored row contradicts itself."""
