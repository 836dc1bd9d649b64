"""How the methods about what all organizations share are asked: hosts, networks, and the images in the cloud."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.access.world import Target, World
from yunzhuo.services.access import Actor
from yunzhuo.services.cloud_images import ImageChanges, ImageKeepingService, ImageRequest
from yunzhuo.services.cloud_networks import Direction, NetworkService, SecurityRule, SubnetRequest, Template
from yunzhuo.services.hosts import HostChange, HostService, Move

GONE = "00000000-0000-4000-8000-000000000000"
HOST = "host-1"  # of every memory cloud
SUBNET = SubnetRequest("first", "10.77.0.0/24")


def images(world: World) -> ImageKeepingService:
    return world.yunzhuo.services.cloud_images


def networks(world: World) -> NetworkService:
    return world.yunzhuo.services.cloud_networks


def hosts(world: World) -> HostService:
    return world.yunzhuo.services.hosts


CLOUD_METHODS: Mapping[str, Callable[[World, Actor, Target], Any]] = {
    "cloud_images.create": lambda w, a, t: images(w).create(a, ImageRequest("new")),
    "cloud_images.deactivate": lambda w, a, t: images(w).deactivate(a, GONE),
    "cloud_images.delete": lambda w, a, t: images(w).delete(a, GONE),
    "cloud_images.download": lambda w, a, t: images(w).download(a, GONE),
    "cloud_images.fetch": lambda w, a, t: images(w).fetch(a, ImageRequest("new"), "https://example.org/image"),
    "cloud_images.get": lambda w, a, t: images(w).get(a, GONE),
    "cloud_images.list": lambda w, a, t: images(w).list(a),
    "cloud_images.reactivate": lambda w, a, t: images(w).reactivate(a, GONE),
    "cloud_images.share": lambda w, a, t: images(w).share(a, GONE, "project"),
    "cloud_images.shared_with": lambda w, a, t: images(w).shared_with(a, GONE),
    "cloud_images.unshare": lambda w, a, t: images(w).unshare(a, GONE, "project"),
    "cloud_images.update": lambda w, a, t: images(w).update(a, GONE, ImageChanges(name="other")),
    "cloud_images.upload": lambda w, a, t: images(w).upload(a, GONE, [b""]),
    "catalog.networks": lambda w, a, t: w.yunzhuo.services.catalog.networks(a),
    "catalog.security_groups": lambda w, a, t: w.yunzhuo.services.catalog.security_groups(a),
    "cloud_networks.add_rule": lambda w, a, t: networks(w).add_rule(a, GONE, SecurityRule(Direction.IN)),
    "cloud_networks.add_subnet": lambda w, a, t: networks(w).add_subnet(a, GONE, SUBNET),
    "cloud_networks.connect_router": lambda w, a, t: networks(w).connect_router(a, GONE, GONE),
    "cloud_networks.create_network": lambda w, a, t: networks(w).create_network(a, "new", SUBNET),
    "cloud_networks.create_router": lambda w, a, t: networks(w).create_router(a, "new"),
    "cloud_networks.create_security_group": lambda w, a, t: networks(w).create_security_group(a, "new", "", Template.CLOSED),
    "cloud_networks.delete_network": lambda w, a, t: networks(w).delete_network(a, GONE),
    "cloud_networks.delete_router": lambda w, a, t: networks(w).delete_router(a, GONE),
    "cloud_networks.delete_rule": lambda w, a, t: networks(w).delete_rule(a, GONE, GONE),
    "cloud_networks.delete_security_group": lambda w, a, t: networks(w).delete_security_group(a, GONE),
    "cloud_networks.delete_subnet": lambda w, a, t: networks(w).delete_subnet(a, GONE),
    "cloud_networks.disconnect_router": lambda w, a, t: networks(w).disconnect_router(a, GONE, GONE),
    "cloud_networks.networks": lambda w, a, t: networks(w).networks(a),
    "cloud_networks.routers": lambda w, a, t: networks(w).routers(a),
    "cloud_networks.security_groups": lambda w, a, t: networks(w).security_groups(a),
    "cloud_networks.set_gateway": lambda w, a, t: networks(w).set_gateway(a, GONE, None),
    "hosts.change": lambda w, a, t: hosts(w).change(a, HOST, HostChange.DISABLE, "new memory"),
    "hosts.change down": lambda w, a, t: hosts(w).change(a, HOST, HostChange.FORCE_DOWN),
    "hosts.move": lambda w, a, t: hosts(w).move(a, HOST, Move.LIVE),
    "hosts.move unknown": lambda w, a, t: hosts(w).move(a, "no-such-host", Move.LIVE),
}
