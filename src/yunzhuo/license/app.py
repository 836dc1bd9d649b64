"""The license server's Flask application: its pages and its API over its services."""

from pathlib import Path

from apiflask import APIFlask, HTTPError
from flask import Blueprint, Flask, jsonify
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from yunzhuo import __version__, webkit
from yunzhuo.license import api
from yunzhuo.license import context as own_context
from yunzhuo.license.assembly import LicenseServices
from yunzhuo.license.pages import blueprint as pages
from yunzhuo.webkit import (
    assets,
    context,
    csrf,
    headers,
    languages,
    openapi,
    request_ids,
    sessions,
    statuses,
)
from yunzhuo.webkit import errors as error_answers
from yunzhuo.webkit.account import ENROLL_ENDPOINTS
from yunzhuo.webkit.bounded_json import BoundedJSON

MAX_BODY_BYTES = 1024 * 1024
_TAKE_BYTES = (
    ("/api/v1/lists", "post"),
    ("/api/v1/installations/{installation_id}/host-info", "put"),
    ("/api/v1/activation", "post"),
)
_WEBKIT = Path(webkit.__file__).parent
_PROGRAMS_ASK_BELOW = (f"{api.PREFIX}/", "/healthz")
_health = Blueprint("health", __name__)


@_health.get("/healthz")
def alive() -> Response:
    """200 as long as this process answers at all."""
    return jsonify({"status": "ok"})


def create_app(services: LicenseServices, *, secret_key: str) -> Flask:
    """The application over ``services``; ``secret_key`` signs the cookies of its pages."""
    app = APIFlask(
        "yunzhuo.license",
        title="Yunzhuo license server",
        version=__version__,
        spec_path=f"{api.PREFIX}/openapi.json",
        docs_path=None,
        json_errors=False,
        static_folder=str(_WEBKIT / "static"),
        template_folder=str(_WEBKIT / "templates"),
    )
    app.secret_key = secret_key
    app.json = BoundedJSON(app)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    if services.settings.license_server.trust_proxy:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]  # as its documentation says
    own_context.install(app, services)
    _install_webkit(app, services)
    _document(app)
    for blueprint in api.BLUEPRINTS:
        app.register_blueprint(blueprint, url_prefix=api.PREFIX)
    app.register_blueprint(_health)
    app.register_blueprint(pages)
    return app


def _install_webkit(app: APIFlask, services: LicenseServices) -> None:
    is_https = services.settings.license_server_url.startswith("https://")
    context.install(app, services.accounts)
    request_ids.install(app)
    headers.install(app, headers.security_headers("", is_https=is_https))
    sessions.install(
        app,
        is_https=is_https,
        sign_in_endpoint="portal.sign_in",
        first_steps=context.FirstSteps("portal.change_password", ENROLL_ENDPOINTS, frozenset({"portal.choose_language"})),
    )
    languages.install(app, default=services.settings.language)
    assets.install(app)
    csrf.install(app, exempt=api.BLUEPRINTS)
    error_answers.install(app, statuses.problem_of, programs_ask_below=_PROGRAMS_ASK_BELOW, also=(HTTPError,))


def _document(app: APIFlask) -> None:
    app.description = "Customers, their installations, and the licenses signed for them."
    app.servers = [{"url": "/"}]
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        AUTO_404_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_OPERATION_ID=True,
    )
    app.spec_processor(lambda spec: openapi.finish(spec, take_bytes=_TAKE_BYTES))
