"""What servers are joined to, in whichever project it is: volumes, floating IPs, ports. See ``places.py``."""

from collections.abc import Sequence
from dataclasses import replace

from yunzhuo.phoenix.cloud.errors import FloatingIpNotFound, OtherProject, ServerNotFound, VolumeNotFound
from yunzhuo.phoenix.cloud.network_resources import NetworkDetails, SubnetRequest
from yunzhuo.phoenix.cloud.openstack.places import Place, Places
from yunzhuo.phoenix.cloud.resources import FloatingIp, Network, Port, Volume, VolumeRequest, VolumeSnapshot


class SpreadVolumes:
    """See ``Volumes`` of the interface. A volume and its server are in one project."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def create(self, request: VolumeRequest) -> Volume:
        place = self._places.named(request.project_id)
        return _volume(place, place.volumes.create(request))

    def find(self, disk_id: str, project_id: str | None = None) -> Volume | None:
        place = self._places.named(project_id)
        found = place.volumes.find(disk_id)
        return None if found is None else _volume(place, found)

    def get(self, volume_id: str) -> Volume:
        place, own_id = self._at(volume_id)
        return _volume(place, place.volumes.get(own_id))

    def list(self) -> Sequence[Volume]:
        return self._places.gather(lambda place: [_volume(place, volume) for volume in place.volumes.list()])

    def attach(self, volume_id: str, server_id: str) -> None:
        place, own_id = self._at(volume_id)
        place.volumes.attach(own_id, _in_the_same(self._places, place, server_id))

    def detach(self, volume_id: str, server_id: str, *, force: bool = False) -> None:
        place, own_id = self._places.of(volume_id)
        elsewhere, own_server_id = self._places.of(server_id)
        if place is not None and place is elsewhere:
            place.volumes.detach(own_id, own_server_id, force=force)

    def delete(self, volume_id: str) -> None:
        place, own_id = self._places.of(volume_id)
        if place is not None:
            place.volumes.delete(own_id)

    def snapshot(self, volume_id: str, name: str) -> VolumeSnapshot:
        place, own_id = self._at(volume_id)
        return replace(place.volumes.snapshot(own_id, name), volume_id=volume_id)

    def snapshots(self, volume_id: str) -> Sequence[VolumeSnapshot]:
        place, own_id = self._at(volume_id)
        return tuple(replace(snapshot, volume_id=volume_id) for snapshot in place.volumes.snapshots(own_id))

    def restore(self, volume_id: str, snapshot_id: str) -> None:
        place, own_id = self._at(volume_id)
        place.volumes.restore(own_id, snapshot_id)

    def delete_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        place, own_id = self._places.of(volume_id)
        if place is not None:
            place.volumes.delete_snapshot(own_id, snapshot_id)

    def _at(self, volume_id: str) -> tuple[Place, str]:
        place, own_id = self._places.of(volume_id)
        if place is None:
            raise VolumeNotFound(volume_id)
        return place, own_id


class SpreadAddresses:
    """See ``Addresses`` of the interface. A floating IP and its server are in one project."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def create(self, address_id: str, *, network_id: str | None = None, project_id: str | None = None) -> FloatingIp:
        place = self._places.named(project_id)
        return _floating_ip(place, place.addresses.create(address_id, network_id=network_id))

    def find(self, address_id: str, project_id: str | None = None) -> FloatingIp | None:
        place = self._places.named(project_id)
        found = place.addresses.find(address_id)
        return None if found is None else _floating_ip(place, found)

    def list(self) -> Sequence[FloatingIp]:
        return self._places.gather(lambda place: [_floating_ip(place, ip) for ip in place.addresses.list()])

    def associate(self, ip_id: str, server_id: str) -> None:
        place, own_id = self._places.of(ip_id)
        if place is None:
            raise FloatingIpNotFound(ip_id)
        place.addresses.associate(own_id, _in_the_same(self._places, place, server_id))

    def dissociate(self, ip_id: str, server_id: str) -> None:
        place, own_id = self._places.of(ip_id)
        elsewhere, own_server_id = self._places.of(server_id)
        if place is not None and place is elsewhere:
            place.addresses.dissociate(own_id, own_server_id)

    def delete(self, ip_id: str) -> None:
        place, own_id = self._places.of(ip_id)
        if place is not None:
            place.addresses.delete(own_id)


class SpreadNetworks:
    """See ``Networks`` of the interface: Yunzhuo's own project's, and the ports of all projects."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._home = places.home.networks

    def list(self) -> Sequence[Network]:
        return self._home.list()

    def external(self) -> Sequence[Network]:
        return self._home.external()

    def ports(self, server_id: str | None = None) -> Sequence[Port]:
        if server_id is not None:
            place, own_id = self._places.of(server_id)
            return () if place is None else [_port(place, port) for port in place.networks.ports(own_id)]
        return self._places.gather(lambda place: [_port(place, port) for port in place.networks.ports()])

    def delete_port(self, port_id: str, server_id: str) -> None:
        place, own_id = self._places.of(port_id)
        elsewhere, own_server_id = self._places.of(server_id)
        if place is not None and place is elsewhere:
            place.networks.delete_port(own_id, own_server_id)

    def details(self) -> Sequence[NetworkDetails]:
        return self._home.details()

    def create(self, name: str, subnet: SubnetRequest) -> NetworkDetails:
        return self._home.create(name, subnet)

    def delete(self, network_id: str) -> None:
        self._home.delete(network_id)

    def add_subnet(self, network_id: str, subnet: SubnetRequest) -> NetworkDetails:
        return self._home.add_subnet(network_id, subnet)

    def delete_subnet(self, subnet_id: str) -> None:
        self._home.delete_subnet(subnet_id)


def _in_the_same(places: Places, place: Place, server_id: str) -> str:
    """Nova's id of a server that is in this place. Raises ServerNotFound, OtherProject."""
    elsewhere, own_id = places.of(server_id)
    if elsewhere is None:
        raise ServerNotFound(server_id)
    if elsewhere is not place:
        raise OtherProject(server_id)
    return own_id


def _volume(place: Place, volume: Volume) -> Volume:
    server_id = None if volume.server_id is None else place.full_id(volume.server_id)
    return replace(volume, id=place.full_id(volume.id), server_id=server_id)


def _floating_ip(place: Place, ip: FloatingIp) -> FloatingIp:
    server_id = None if ip.server_id is None else place.full_id(ip.server_id)
    return replace(ip, id=place.full_id(ip.id), server_id=server_id)


def _port(place: Place, port: Port) -> Port:
    return replace(port, id=place.full_id(port.id), server_id=place.full_id(port.server_id))
