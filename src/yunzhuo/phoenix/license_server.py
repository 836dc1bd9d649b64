"""Asking a vendor's license server over HTTP. What it says is believed for its signature, which is not checked here."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from yunzhuo.phoenix.common.errors import Conflict, Unavailable

_TIMEOUT_SECONDS = 15.0
_MAX_BYTES = 256 * 1024
_SERVER_ERROR = 500


class LicenseServer:
    """One conversation with the server at ``url``. Raises Unavailable when it does not answer, Conflict with its own code
    when it refuses."""

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/api/v1"

    def challenge(self) -> str:
        """What the next request has to be made with."""
        with self._client() as client:
            answer = _checked(client.post("/activation/challenges"))
        try:
            said = answer.json()["challenge"]
        except (ValueError, KeyError, TypeError) as error:
            raise _senseless() from error
        if not isinstance(said, str):
            raise _senseless()
        return said

    def activate(self, request: bytes) -> bytes:
        """The signed answer to a signed request."""
        with self._client() as client:
            return _checked(client.post("/activation", content=request)).content

    @contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        try:
            with httpx.Client(base_url=self._url, timeout=_TIMEOUT_SECONDS, follow_redirects=False) as client:
                yield client
        except httpx.HTTPError as error:
            raise Unavailable("license_server_unavailable", f"The license server does not answer ({error}).") from error


def _checked(answer: httpx.Response) -> httpx.Response:
    if len(answer.content) > _MAX_BYTES or answer.status_code >= _SERVER_ERROR or answer.is_redirect:
        raise _senseless()
    if answer.is_success:
        return answer
    try:
        problem = answer.json()
        code, detail = str(problem["code"])[:32], str(problem["detail"])[:500]
    except (ValueError, KeyError, TypeError) as error:
        raise _senseless() from error
    raise Conflict(code, f"The license server refuses: {detail}")


def _senseless() -> Unavailable:
    return Unavailable("license_server_unavailable", "The license server's answer makes no sense; is the address right?")
