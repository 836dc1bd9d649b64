"""What went wrong, in the form in which programs are told (RFC 9457)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer that is not what was asked for.

    ``code`` is a stable word for programs, ``detail`` a sentence for people, ``errors`` says what is wrong with which
    field of the request. ``headers`` go with the answer.
    """

    status: int
    code: str
    detail: str
    errors: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase

    def members(self, request_id: str) -> dict[str, object]:
        """The JSON object of the answer."""
        members: dict[str, object] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
        }
        if self.errors:
            members["errors"] = dict(self.errors)
        return members
