"""What gateways ask and tell the manager, with their own key: whose a ticket is, how sessions stand, which have to end.

Not part of the public API; tickets and passwords pass here, so nothing of a body may be logged.
"""

from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from apiflask import APIBlueprint
from flask import g, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput, NotSignedIn
from yunzhuo.services.consoles import Redemption
from yunzhuo.services.screens import Standing
from yunzhuo.webkit import services

blueprint = APIBlueprint("gateway", __name__, url_prefix="/internal/gateway", enable_openapi=False)

_Asked = TypeVar("_Asked", bound=BaseModel)
Bytes = Annotated[int, Field(ge=0, le=2**63 - 1)]


class RedeemRequest(BaseModel):
    """A ticket that somebody showed the gateway."""

    model_config = ConfigDict(frozen=True)
    ticket: str = Field(min_length=1, max_length=256, repr=False)
    client_address: str = Field(max_length=255)
    channel: str | None = Field(None, max_length=32)


class SessionEnd(BaseModel):
    """How a session ended."""

    model_config = ConfigDict(frozen=True)
    id: str = Field(max_length=64)
    bytes_in: Bytes
    bytes_out: Bytes
    reason: str = Field(max_length=1024)


class EndRequest(BaseModel):
    """Sessions that ended."""

    model_config = ConfigDict(frozen=True)
    ended: list[SessionEnd] = Field(max_length=1000)


class SessionStanding(BaseModel):
    """How an open session stands."""

    model_config = ConfigDict(frozen=True)
    id: str = Field(max_length=64)
    bytes_in: Bytes
    bytes_out: Bytes
    idle_seconds: float = Field(ge=0, le=10**9)
    round_trip_ms: float | None = Field(None, ge=0, le=10**9)
    drops: int = Field(ge=0, le=2**31 - 1)


class ReportRequest(BaseModel):
    """A worker's word of its gateway and of the sessions it has open."""

    model_config = ConfigDict(frozen=True)
    version: str = Field(max_length=64)
    capacity: int = Field(ge=0, le=2**31 - 1)
    certificate: str | None = Field(None, max_length=65535)
    sessions: list[SessionStanding] = Field(max_length=1000)


@blueprint.before_request
def know_gateway() -> None:
    """Only gateways of ours, before anything about the body is said."""
    authorization = request.authorization
    if authorization is None or authorization.type != "bearer" or not authorization.token:
        raise NotSignedIn("unknown_gateway", "No gateway has this key.")
    g.gateway_id = services().gateways.gateway_id(authorization.token)


@blueprint.post("/redeem")
def redeem() -> Response:
    """Spend a ticket; answers where the screen stands."""
    asked = _body(RedeemRequest)
    redemption = services().consoles.redeem(
        g.gateway_id, asked.ticket, client_address=asked.client_address, channel=asked.channel
    )
    return jsonify(_grant(redemption))


@blueprint.post("/ended")
def end() -> tuple[str, int]:
    """Note that sessions of this gateway ended."""
    for each in _body(EndRequest).ended:
        services().consoles.end_session(
            g.gateway_id, each.id, bytes_in=each.bytes_in, bytes_out=each.bytes_out, reason=each.reason
        )
    return "", HTTPStatus.NO_CONTENT


@blueprint.post("/report")
def report() -> tuple[str, int]:
    """Take note of how a gateway and its sessions are."""
    told = _body(ReportRequest)
    services().gateways.heard(g.gateway_id, version=told.version, capacity=told.capacity, certificate=told.certificate)
    services().screens.report(g.gateway_id, [Standing(**each.model_dump()) for each in told.sessions])
    return "", HTTPStatus.NO_CONTENT


@blueprint.post("/withdrawn")
def withdrawn() -> Response:
    """Which of this gateway's open sessions have to end, and why each."""
    return jsonify(withdrawn=services().screens.withdrawn(g.gateway_id))


def _body(model: type[_Asked]) -> _Asked:
    try:
        return model.model_validate(request.get_json(force=True))
    except ValidationError as error:
        # Only where and what is wrong: the values may be secrets.
        fields = {".".join(map(str, mistake["loc"])) or "body": mistake["msg"] for mistake in error.errors(include_input=False)}
        raise InvalidInput("The request is not valid.", fields=fields) from None


def _grant(redemption: Redemption) -> dict[str, Any]:
    console = redemption.console
    place = {"unix_path": console.unix_path} if console.unix_path else {"host": console.host, "port": console.port}
    return {
        "session_id": redemption.session_id,
        "protocol": console.protocol,
        "user_id": redemption.user_id,
        "desktop_id": redemption.desktop_id,
        "target": {**place, "password": console.password},
        "policy": redemption.policy,
        "ends_in_seconds": redemption.ends_in_seconds,
    }
