"""What a driver does not have, it says."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.drivers.driver_table import ALL, DRIVERS, OFFERS
from yunzhuo.phoenix.cloud import interface
from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.image_resources import ImageChanges, ImageRequest
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.network_resources import Direction, SecurityRule, SubnetRequest
from yunzhuo.phoenix.cloud.resources import RebootKind, Server, VolumeRequest

#: How to ask for each operation that a driver may lack.
_REQUESTS: dict[str, Callable[[Cloud, str], object]] = {
    "servers.reboot": lambda cloud, server_id: cloud.servers.reboot(server_id, RebootKind.SOFT),
    "servers.suspend": lambda cloud, server_id: cloud.servers.suspend(server_id),
    "servers.resume": lambda cloud, server_id: cloud.servers.resume(server_id),
    "servers.rebuild": lambda cloud, server_id: cloud.servers.rebuild(server_id, cloud.images.list()[0].id),
    "servers.resize": lambda cloud, server_id: cloud.servers.resize(server_id, cloud.flavors.list()[-1].id),
    "servers.rename": lambda cloud, server_id: cloud.servers.rename(server_id, "name"),
    "servers.snapshot": lambda cloud, server_id: cloud.servers.snapshot(server_id, "name"),
    "servers.snapshots": lambda cloud, server_id: cloud.servers.snapshots(server_id),
    "servers.roll_back": lambda cloud, server_id: cloud.servers.roll_back(server_id, "snapshot"),
    "servers.delete_snapshot": lambda cloud, server_id: cloud.servers.delete_snapshot(server_id, "snapshot"),
    "care.console_log": lambda cloud, server_id: cloud.care.console_log(server_id, max_bytes=1),
    "care.pause": lambda cloud, server_id: cloud.care.pause(server_id),
    "care.shelve": lambda cloud, server_id: cloud.care.shelve(server_id),
    "care.lock": lambda cloud, server_id: cloud.care.lock(server_id),
    "care.unlock": lambda cloud, server_id: cloud.care.unlock(server_id),
    "care.rescue": lambda cloud, server_id: cloud.care.rescue(server_id),
    "care.unrescue": lambda cloud, server_id: cloud.care.unrescue(server_id),
    "care.security_groups": lambda cloud, server_id: cloud.care.security_groups(server_id),
    "care.set_security_groups": lambda cloud, server_id: cloud.care.set_security_groups(server_id, []),
    "volumes.create": lambda cloud, server_id: cloud.volumes.create(VolumeRequest(server_id, "name", 64)),
    "volumes.find": lambda cloud, server_id: cloud.volumes.find(server_id),
    "volumes.get": lambda cloud, _server_id: cloud.volumes.get("volume"),
    "volumes.list": lambda cloud, _server_id: cloud.volumes.list(),
    "volumes.attach": lambda cloud, server_id: cloud.volumes.attach("volume", server_id),
    "volumes.detach": lambda cloud, server_id: cloud.volumes.detach("volume", server_id),
    "volumes.delete": lambda cloud, _server_id: cloud.volumes.delete("volume"),
    "volumes.snapshot": lambda cloud, _server_id: cloud.volumes.snapshot("volume", "name"),
    "volumes.snapshots": lambda cloud, _server_id: cloud.volumes.snapshots("volume"),
    "volumes.restore": lambda cloud, _server_id: cloud.volumes.restore("volume", "snapshot"),
    "volumes.delete_snapshot": lambda cloud, _server_id: cloud.volumes.delete_snapshot("volume", "snapshot"),
    "addresses.create": lambda cloud, server_id: cloud.addresses.create(server_id),
    "addresses.find": lambda cloud, server_id: cloud.addresses.find(server_id),
    "addresses.list": lambda cloud, _server_id: cloud.addresses.list(),
    "addresses.associate": lambda cloud, server_id: cloud.addresses.associate("ip", server_id),
    "addresses.dissociate": lambda cloud, server_id: cloud.addresses.dissociate("ip", server_id),
    "addresses.delete": lambda cloud, _server_id: cloud.addresses.delete("ip"),
    "networks.ports": lambda cloud, _server_id: cloud.networks.ports(),
    "networks.delete_port": lambda cloud, server_id: cloud.networks.delete_port("port", server_id),
    "servers.cpu_seconds": lambda cloud, server_id: cloud.servers.cpu_seconds(server_id),
    "networks.details": lambda cloud, _server_id: cloud.networks.details(),
    "networks.create": lambda cloud, _server_id: cloud.networks.create("name", SubnetRequest("name", "10.77.0.0/24")),
    "networks.delete": lambda cloud, _server_id: cloud.networks.delete("network"),
    "networks.add_subnet": lambda cloud, _server_id: cloud.networks.add_subnet("net", SubnetRequest("name", "10.77.0.0/24")),
    "networks.delete_subnet": lambda cloud, _server_id: cloud.networks.delete_subnet("subnet"),
    "routers.list": lambda cloud, _server_id: cloud.routers.list(),
    "routers.create": lambda cloud, _server_id: cloud.routers.create("name"),
    "routers.set_gateway": lambda cloud, _server_id: cloud.routers.set_gateway("router", None),
    "routers.connect": lambda cloud, _server_id: cloud.routers.connect("router", "subnet"),
    "routers.disconnect": lambda cloud, _server_id: cloud.routers.disconnect("router", "subnet"),
    "routers.delete": lambda cloud, _server_id: cloud.routers.delete("router"),
    "security_groups.list": lambda cloud, _server_id: cloud.security_groups.list(),
    "security_groups.create": lambda cloud, _server_id: cloud.security_groups.create("name", "", ()),
    "security_groups.add_rule": lambda cloud, _server_id: cloud.security_groups.add_rule("group", SecurityRule(Direction.IN)),
    "security_groups.delete_rule": lambda cloud, _server_id: cloud.security_groups.delete_rule("group", "rule"),
    "security_groups.delete": lambda cloud, _server_id: cloud.security_groups.delete("group"),
    "image_store.list": lambda cloud, _server_id: cloud.image_store.list(),
    "image_store.get": lambda cloud, _server_id: cloud.image_store.get("image"),
    "image_store.create": lambda cloud, _server_id: cloud.image_store.create(ImageRequest("name")),
    "image_store.upload": lambda cloud, _server_id: cloud.image_store.upload("image", [b""]),
    "image_store.import_from": lambda cloud, _server_id: cloud.image_store.import_from("image", "http://127.0.0.1/"),
    "image_store.download": lambda cloud, _server_id: cloud.image_store.download("image"),
    "image_store.update": lambda cloud, _server_id: cloud.image_store.update("image", ImageChanges(name="other")),
    "image_store.deactivate": lambda cloud, _server_id: cloud.image_store.deactivate("image"),
    "image_store.reactivate": lambda cloud, _server_id: cloud.image_store.reactivate("image"),
    "image_store.share": lambda cloud, _server_id: cloud.image_store.share("image", "project"),
    "image_store.unshare": lambda cloud, _server_id: cloud.image_store.unshare("image", "project"),
    "image_store.shared_with": lambda cloud, _server_id: cloud.image_store.shared_with("image"),
    "image_store.delete": lambda cloud, _server_id: cloud.image_store.delete("image"),
    "hosts.disable": lambda cloud, _server_id: cloud.hosts.disable("host", "reason"),
    "hosts.enable": lambda cloud, _server_id: cloud.hosts.enable("host"),
    "hosts.force_down": lambda cloud, _server_id: cloud.hosts.force_down("host"),
    "hosts.live_migrate": lambda cloud, server_id: cloud.hosts.live_migrate(server_id),
    "hosts.migrate": lambda cloud, server_id: cloud.hosts.migrate(server_id),
    "hosts.evacuate": lambda cloud, server_id: cloud.hosts.evacuate(server_id),
    "notices.listen": lambda cloud, _server_id: cloud.notices.listen(0),
    "servers.screenshot": lambda cloud, server_id: cloud.servers.screenshot(server_id),
    "projects.list": lambda cloud, _server_id: cloud.projects.list(),
    "projects.create": lambda cloud, _server_id: cloud.projects.create("organization", "name"),
    "projects.get": lambda cloud, _server_id: cloud.projects.get("project"),
    "projects.quota": lambda cloud, _server_id: cloud.projects.quota("project"),
    "projects.set_quota": lambda cloud, _server_id: cloud.projects.set_quota("project", {}),
    "projects.delete": lambda cloud, _server_id: cloud.projects.delete("project"),
    "guest.run": lambda cloud, server_id: cloud.guest.run(server_id, ["true"]),
    "guest.write_file": lambda cloud, server_id: cloud.guest.write_file(server_id, "/root/file", b""),
    "guest.read_file": lambda cloud, server_id: cloud.guest.read_file(server_id, "/root/file", max_bytes=1),
    "guest.list_files": lambda cloud, server_id: cloud.guest.list_files(server_id, "Downloads"),
    "guest.write_piece": lambda cloud, server_id: cloud.guest.write_piece(server_id, "file", b"", offset=0),
    "guest.read_piece": lambda cloud, server_id: cloud.guest.read_piece(server_id, "file", offset=0, max_bytes=1),
    "guest.move_file": lambda cloud, server_id: cloud.guest.move_file(server_id, "file", "other"),
    "guest.delete_file": lambda cloud, server_id: cloud.guest.delete_file(server_id, "file"),
    "guest.get_clipboard": lambda cloud, server_id: cloud.guest.get_clipboard(server_id),
    "guest.set_clipboard": lambda cloud, server_id: cloud.guest.set_clipboard(server_id, "text"),
    "guest.message": lambda cloud, server_id: cloud.guest.message(server_id, "text"),
}


@pytest.mark.parametrize("operation", [pytest.param(operation, marks=pytest.mark.lacks(operation)) for operation in _REQUESTS])
def test_what_is_not_offered_says_so(cloud: Cloud, shared_server: Server, operation: str) -> None:
    before = cloud.servers.get(shared_server.id)
    with pytest.raises(CloudNotOffered) as refusal:
        _REQUESTS[operation](cloud, shared_server.id)
    assert refusal.value.code == "not_offered_by_cloud"
    after = cloud.servers.get(shared_server.id)
    assert replace(after, observed_at=before.observed_at) == before


def test_the_table_knows_every_operation_of_the_interface() -> None:
    parts = {
        "servers": interface.Servers,
        "care": interface.ServerCare,
        "volumes": interface.Volumes,
        "addresses": interface.Addresses,
        "flavors": interface.Flavors,
        "images": interface.Images,
        "image_store": interface.ImageStore,
        "networks": interface.Networks,
        "routers": interface.Routers,
        "security_groups": interface.SecurityGroups,
        "hosts": interface.Hosts,
        "guest": interface.Guest,
        "projects": interface.Projects,
        "notices": interface.Notices,
        "cloud": interface.Cloud,
    }
    operations = {
        f"{part}.{name}"
        for part, protocol in parts.items()
        for name, member in vars(protocol).items()
        if callable(member) and not name.startswith("_")
    }
    assert operations == ALL


def test_every_driver_is_in_the_table_and_offers_what_every_desktop_needs() -> None:
    assert {driver.name for driver in DRIVERS} == set(OFFERS)
    for driver in DRIVERS:
        assert driver.offers >= ALL - set(_REQUESTS)
