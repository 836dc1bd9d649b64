"""Whether this installation lives and works, for supervisors, load balancers and whoever waits for a start."""

from http import HTTPStatus

from flask import Blueprint, jsonify
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.webkit import services

log = get_logger()

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def alive() -> Response:
    """200 as long as this process answers at all."""
    return jsonify({"status": "ok"})


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """200 when a desktop asked for now would really be fast, else 503 and what is missing."""
    missing = _missing()
    return jsonify({"missing": missing}), HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK


def _missing() -> dict[str, str]:
    try:
        return services().health.missing()
    except Exception:
        # Whatever it is, the installation is not ready; a database that is away raises errors that routes do not know.
        log.exception("readiness_check_failed")
        return {"check": "The check itself failed; the log says why."}
