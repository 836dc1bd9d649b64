"""What a gateway says to the manager: "whose is this ticket?", with its own key, in bounded time."""

import asyncio
import json
import ssl
from http import HTTPStatus
from typing import Annotated, Final, Literal, Self

import httpx
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from yunzhuo import __version__
from yunzhuo.gateway.config import GatewayConfig
from yunzhuo.gateway.protocol.errors import RequestRefused
from yunzhuo.phoenix.common.logging import get_logger

REDEEM_PATH: Final = "/internal/gateway/redeem"

_log = get_logger()

_ANSWER_MAX_BYTES: Final = 65536
_TEXT_MAX_CHARACTERS: Final = 200
_RETRY_AFTER_SECONDS: Final = 2
_MANAGER_CONNECTIONS: Final = 32
# Shorter than any server of ours keeps an idle connection, so that none is used at the moment it is closed.
_KEEPALIVE_SECONDS: Final = 2
# Client errors that do not speak of the ticket: our key is not known, or the manager has too much to do.
_NOT_ABOUT_THE_TICKET: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class _Answer(BaseModel):
    """The manager may be newer than the gateway: what is not known is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Target(_Answer):
    """Where a screen's server listens (a unix socket, or host and port) and the password that it asks for."""

    unix_path: str = ""
    host: str = ""
    port: int = Field(0, ge=0, le=65535)
    password: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.unix_path) == bool(self.host and self.port):
            raise ValueError("a target is either a unix path, or a host and a port")
        return self


class GrantedPolicy(_Answer):
    """What the session may do; what the manager does not say is allowed."""

    view_only: bool = False
    clipboard_to_desktop: bool = True
    clipboard_from_desktop: bool = True
    file_transfer: bool = True
    usb: bool = True
    kib_per_second: int = Field(0, ge=0, le=1 << 30)


class Grant(_Answer):
    """The right that a ticket stood for: this user's session on this desktop's screen."""

    session_id: Id
    protocol: Literal["vnc", "spice"]
    user_id: Id
    desktop_id: Id
    target: Target
    policy: GrantedPolicy = GrantedPolicy()
    ends_in_seconds: float | None = Field(None, ge=0)


class Problem(_Answer):
    """Why the manager refuses, for the person who waits: in our own words or as RFC 9457 has them."""

    code: str = Field(min_length=1)
    message: str = Field("", validation_alias=AliasChoices("message", "detail", "title"))


def manager_client(config: GatewayConfig, key: str) -> httpx.AsyncClient:
    """A client of the manager that shows the gateway's key. It goes straight there, whatever proxy the environment names."""
    return httpx.AsyncClient(
        base_url=config.manager_url,
        headers={**_showing(key), "User-Agent": f"yunzhuo-gateway/{__version__} ({config.name})"},
        timeout=config.limits.redeem_timeout_seconds,
        limits=httpx.Limits(max_connections=_MANAGER_CONNECTIONS, keepalive_expiry=_KEEPALIVE_SECONDS),
        verify=ssl.create_default_context(cafile=config.manager_ca_file or None),
        trust_env=False,
    )


def show_key(client: httpx.AsyncClient, key: str) -> None:
    """Show another key from now on."""
    client.headers.update(_showing(key))


def _showing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def redeem(
    client: httpx.AsyncClient, ticket: str, *, client_address: str, timeout_seconds: float, channel: str | None = None
) -> Grant:
    """Spends ``ticket``. Raises RequestRefused: 403 with the manager's reason, or 503 when there is no sound answer in time."""
    question = {"ticket": ticket, "client_address": client_address} | ({"channel": channel} if channel else {})
    try:
        async with asyncio.timeout(timeout_seconds), client.stream("POST", REDEEM_PATH, json=question) as response:
            body = await _read(response)
    except (httpx.HTTPError, TimeoutError) as error:
        _log.warning("manager_unreachable", error=type(error).__name__)
        raise _unavailable() from error
    status = HTTPStatus(response.status_code) if response.status_code in set(HTTPStatus) else None
    try:
        if status is HTTPStatus.OK:
            return Grant.model_validate_json(body)
        if response.is_client_error and status not in _NOT_ABOUT_THE_TICKET:
            raise _refused(Problem.model_validate_json(body))
    except ValidationError as error:
        # Only where and what: the values may hold the screen's password.
        wrong = json.loads(error.json(include_url=False, include_input=False, include_context=False))
        _log.error("manager_answer_invalid", status=response.status_code, mistakes=wrong)
        raise _unavailable() from None
    _log.error("manager_failed", status=response.status_code)
    raise _unavailable()


async def _read(response: httpx.Response) -> bytes:
    body = b""
    async for part in response.aiter_bytes():
        body += part
        if len(body) > _ANSWER_MAX_BYTES:
            raise httpx.DecodingError("the answer is too long")
    return body


def _refused(problem: Problem) -> RequestRefused:
    message = problem.message[:_TEXT_MAX_CHARACTERS] or "the ticket is not good"
    return RequestRefused(HTTPStatus.FORBIDDEN, problem.code[:_TEXT_MAX_CHARACTERS], message, reason="ticket_refused")


def _unavailable() -> RequestRefused:
    return RequestRefused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "manager_unavailable",
        "the manager does not answer; try again in a moment",
        (("Retry-After", str(_RETRY_AFTER_SECONDS)),),
    )
