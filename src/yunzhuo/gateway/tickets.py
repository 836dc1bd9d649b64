"""What a gateway says to the manager: "whose is this ticket?", with its own key, in bounded time."""

import json
from http import HTTPStatus
from typing import Annotated, Final, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from yunzhuo.gateway.manager import ManagerAway, ManagerLink
from yunzhuo.gateway.protocol.errors import RequestRefused
from yunzhuo.phoenix.common.logging import get_logger

REDEEM_PATH: Final = "/internal/gateway/redeem"

_log = get_logger()

_TEXT_MAX_CHARACTERS: Final = 200
_RETRY_AFTER_SECONDS: Final = 2
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


async def redeem(manager: ManagerLink, ticket: str, *, client_address: str, channel: str | None = None) -> Grant:
    """Spends ``ticket``. Raises RequestRefused: 403 with the manager's reason, or 503 when there is no sound answer in time."""
    question = {"ticket": ticket, "client_address": client_address} | ({"channel": channel} if channel else {})
    try:
        answer = await manager.post(REDEEM_PATH, question)
    except ManagerAway as error:
        _log.warning("manager_unreachable", error=str(error))
        raise _unavailable() from error
    try:
        if answer.status == HTTPStatus.OK:
            return Grant.model_validate_json(answer.body)
        if answer.is_refusal and answer.status not in _NOT_ABOUT_THE_TICKET:
            raise _refused(Problem.model_validate_json(answer.body))
    except ValidationError as error:
        # Only where and what: the values may hold the screen's password.
        wrong = json.loads(error.json(include_url=False, include_input=False, include_context=False))
        _log.error("manager_answer_invalid", status=answer.status, mistakes=wrong)
        raise _unavailable() from None
    _log.error("manager_failed", status=answer.status)
    raise _unavailable()


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
