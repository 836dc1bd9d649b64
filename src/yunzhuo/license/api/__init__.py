"""The license server's REST API: thin routes over its services. Only bearer tokens count, never cookies."""

from apiflask import APIBlueprint

from yunzhuo.license.api import activation, customers, entrance, installations, lists

PREFIX = "/api/v1"
BLUEPRINTS: tuple[APIBlueprint, ...] = (
    entrance.blueprint,
    customers.blueprint,
    installations.blueprint,
    lists.blueprint,
    activation.blueprint,
)

__all__ = ["BLUEPRINTS", "PREFIX"]
