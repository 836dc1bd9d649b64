"""The Flask application: portal, API, gateways' questions and health checks over one set of services."""

from pathlib import Path

from apiflask import APIFlask, HTTPError
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from yunzhuo import __version__, webkit
from yunzhuo.services.assembly import Services
from yunzhuo.web import api, gateway_api, health, metrics
from yunzhuo.web.api import documentation
from yunzhuo.web.portal import blueprint as portal
from yunzhuo.webkit import assets, context, csrf, headers, languages, request_ids, sessions, statuses
from yunzhuo.webkit import errors as error_answers
from yunzhuo.webkit.account import ENROLL_ENDPOINTS
from yunzhuo.webkit.bounded_json import BoundedJSON

_WEBKIT = Path(webkit.__file__).parent
# Below these paths programs ask: they get problem JSON, never a page.
_PROGRAMS_ASK_BELOW = (f"{api.PREFIX}/", "/internal/", "/healthz", "/readyz", "/metrics", "/events")


def create_app(services: Services, *, secret_key: str) -> Flask:
    """The application over ``services``; ``secret_key`` signs the portal's cookies."""
    settings = services.settings
    app = APIFlask(
        "yunzhuo.web",
        title="Yunzhuo",
        version=__version__,
        spec_path=f"{api.PREFIX}/openapi.json",
        docs_path=None,
        json_errors=False,
        static_folder=str(_WEBKIT / "static"),
        template_folder=str(_WEBKIT / "templates"),
    )
    app.secret_key = secret_key
    app.json = BoundedJSON(app)
    app.config["MAX_CONTENT_LENGTH"] = settings.web.max_body_bytes
    if settings.web.trust_proxy:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]  # as its documentation says
    _install_webkit(app, services)
    _document(app)
    for blueprint in api.BLUEPRINTS:
        app.register_blueprint(blueprint, url_prefix=api.PREFIX)
    app.register_blueprint(gateway_api.blueprint)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(portal)
    return app


def _install_webkit(app: APIFlask, services: Services) -> None:
    settings = services.settings
    is_https = settings.public_url.startswith("https://")
    context.install(app, services)
    request_ids.install(app)
    metrics.install(app, services)
    headers.install(app, headers.security_headers(settings.gateway_url, is_https=is_https))
    sessions.install(
        app,
        is_https=is_https,
        sign_in_endpoint="portal.sign_in",
        first_steps=context.FirstSteps("portal.change_password", ENROLL_ENDPOINTS, frozenset({"portal.choose_language"})),
    )
    languages.install(app, default=settings.language)
    assets.install(app)
    csrf.install(app, exempt=(*api.BLUEPRINTS, gateway_api.blueprint))
    error_answers.install(app, statuses.problem_of, programs_ask_below=_PROGRAMS_ASK_BELOW, also=(HTTPError,))


def _document(app: APIFlask) -> None:
    app.description = "Cloud desktops: ask for them, watch them being made, open their screens."
    app.servers = [{"url": "/"}]  # never what a request's Host header says
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        AUTO_404_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_OPERATION_ID=True,
    )
    app.spec_processor(documentation.finish)
