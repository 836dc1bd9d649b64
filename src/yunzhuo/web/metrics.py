"""Figures for Prometheus: what there is, and how requests are served.

Of the whole installation, so they are for whoever may see its hosts: Prometheus comes with a token of a service account.
"""

import time
from collections.abc import Iterable

from flask import Blueprint, Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.services.assembly import Services
from yunzhuo.webkit import actor
from yunzhuo.webkit.bearer import come_in

log = get_logger()

_FIGURES = {
    "desktops": "Desktops that there are.",
    "operations_active": "Operations that have not ended.",
    "operations_waiting": "Operations that wait to be let in.",
    "leftovers": "Things in the cloud that no desktop owns.",
    "notices_listening": "Schedulers that hear the cloud's notifications.",
    "notices_received": "Notifications that they received since their start.",
    "notices_unreadable": "Those among them that could not be read.",
    "notices_about_us": "Hints about desktops.",
    "notices_hastened": "Operations that went on sooner for a hint.",
    "notices_looked_at": "Desktops at rest that were looked at for a hint.",
    "notices_lag_milliseconds": "How old the latest notification was when it was heard.",
    "sessions_open": "Sessions that people have open through a gateway.",
}
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Asked every few seconds by machines: not worth a line each.
_QUIET = frozenset({"static", "health.alive", "health.ready", "metrics.show"})


class _Figures(Collector):
    """Reads the figures when they are asked for, as whoever asks."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        for name, value in self._services.overview.counts(actor()).items():
            yield GaugeMetricFamily(f"yunzhuo_{name}", _FIGURES.get(name, name), value=value)


class RequestFigures:
    """Counts and times every request, and writes a line about it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter("yunzhuo_http_requests", "Requests served.", ("method", "route", "status"), registry=registry)
        self._seconds = Histogram(
            "yunzhuo_http_request_seconds", "Time to serve a request.", ("route",), buckets=_BUCKETS, registry=registry
        )

    def begin(self) -> None:
        """Start the clock."""
        g.begun_at = time.perf_counter()

    def finish(self, response: Response) -> Response:
        """Take note of the answer. Routes are counted by their pattern: nobody can make up new ones."""
        seconds = time.perf_counter() - g.begun_at
        route = request.url_rule.rule if request.url_rule else "unknown"
        self._requests.labels(request.method if request.url_rule else "other", route, str(response.status_code)).inc()
        self._seconds.labels(route).observe(seconds)
        if request.endpoint not in _QUIET:
            log.info(
                "request_served",
                method=request.method,
                path=request.path[:200],
                status=response.status_code,
                milliseconds=round(seconds * 1000, 1),
            )
        return response


def install(app: Flask, services: Services) -> None:
    """Measure every request, and show the figures at /metrics."""
    registry = CollectorRegistry()
    registry.register(_Figures(services))
    ProcessCollector(registry=registry)
    figures = RequestFigures(registry)
    app.before_request(figures.begin)
    app.after_request(figures.finish)
    blueprint = Blueprint("metrics", __name__)

    def show() -> Response:
        come_in()
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    blueprint.add_url_rule("/metrics", "show", show)
    app.register_blueprint(blueprint)
