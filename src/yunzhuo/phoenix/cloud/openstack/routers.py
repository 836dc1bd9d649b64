"""Routers of driver ``openstack``."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from yunzhuo.phoenix.cloud.errors import NetworkNotFound, RouterNotFound
from yunzhuo.phoenix.cloud.network_resources import Router
from yunzhuo.phoenix.cloud.openstack.connection import Connection, Json, Refusals
from yunzhuo.phoenix.cloud.openstack.network_refusals import MAKING, gone, in_use, is_id
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound

_INTERFACES = "network:router_interface"


class OpenStackRouters:
    """See the interface for the promises. ``forget`` is told when what networks lead to has changed."""

    def __init__(self, connection: Connection, forget: Callable[[], None]) -> None:
        self._connection = connection
        self._forget = forget

    def list(self) -> Sequence[Router]:
        ask, project = self._connection, self._connection.project_id
        interfaces: dict[str, list[str]] = {}
        for port in ask.pages("network", f"/ports?project_id={project}&device_owner={_INTERFACES}", "ports"):
            interfaces.setdefault(port["device_id"], []).extend(fixed["subnet_id"] for fixed in port["fixed_ips"])
        found = ask.pages("network", f"/routers?project_id={project}", "routers")
        routers = (_read(each, interfaces.get(each["id"], ())) for each in found)
        return sorted(routers, key=lambda router: (router.name, router.id))

    def create(self, name: str, external_network_id: str | None = None) -> Router:
        wanted: dict[str, object] = {"name": name}
        if external_network_id is not None:
            wanted["external_gateway_info"] = {"network_id": external_network_id}
        refusals: Refusals = {**MAKING, 404: gone(NetworkNotFound, external_network_id or "")}
        made = _read(self._ask("POST", "/routers", {"router": wanted}, refusals)["router"], ())
        self._forget()
        return made

    def set_gateway(self, router_id: str, external_network_id: str | None) -> None:
        router = self._get(router_id)
        if router.external_network_id == external_network_id:
            return
        gateway = {"network_id": external_network_id} if external_network_id else None
        refusals: Refusals = {
            400: lambda _said, **_details: NetworkNotFound(external_network_id or ""),
            404: gone(NetworkNotFound, external_network_id or ""),
            409: in_use("router's gateway", router_id),
        }
        self._ask("PUT", f"/routers/{router_id}", {"router": {"external_gateway_info": gateway}}, refusals)
        self._forget()

    def connect(self, router_id: str, subnet_id: str) -> None:
        router = self._get(router_id)
        if subnet_id in router.subnet_ids:
            return
        if not is_id(subnet_id):
            raise NetworkNotFound(subnet_id)
        refusals: Refusals = {
            400: lambda said, **details: InvalidInput(f"The cloud refused: {said}", code="cloud_refused"),
            404: gone(NetworkNotFound, subnet_id),
            409: in_use("subnet", subnet_id),
        }
        self._ask("PUT", f"/routers/{router_id}/add_router_interface", {"subnet_id": subnet_id}, refusals)
        self._forget()

    def disconnect(self, router_id: str, subnet_id: str) -> None:
        with suppress(NotFound):
            if subnet_id not in self._get(router_id).subnet_ids:
                return
            refusals: Refusals = {404: gone(NetworkNotFound, subnet_id), 409: in_use("router", router_id)}
            self._ask("PUT", f"/routers/{router_id}/remove_router_interface", {"subnet_id": subnet_id}, refusals)
            self._forget()

    def delete(self, router_id: str) -> None:
        with suppress(NotFound):
            self._get(router_id)
            refusals: Refusals = {404: gone(RouterNotFound, router_id), 409: in_use("router", router_id)}
            self._ask("DELETE", f"/routers/{router_id}", None, refusals)
            self._forget()

    def _get(self, router_id: str) -> Router:
        """One of our project. Raises RouterNotFound."""
        found = next((router for router in self.list() if router.id == router_id), None) if is_id(router_id) else None
        if found is None:
            raise RouterNotFound(router_id)
        return found

    def _ask(self, method: str, path: str, body: Json | None, refusals: Refusals) -> Json:
        return self._connection.ask("network", method, path, body, refusals=refusals)


def _read(found: Json, subnet_ids: Sequence[str]) -> Router:
    gateway = found.get("external_gateway_info") or {}
    addresses = [each["ip_address"] for each in gateway.get("external_fixed_ips", ())]
    return Router(
        id=found["id"],
        name=found["name"] or found["id"],
        external_network_id=gateway.get("network_id"),
        external_address=next(iter(addresses), None),
        subnet_ids=tuple(sorted(subnet_ids)),
    )
