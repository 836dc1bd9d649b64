"""Servers, what is in them and what moves them, in whichever project they are: see ``places.py``."""

from collections.abc import Sequence
from dataclasses import replace

from yunzhuo.phoenix.cloud.errors import ServerNotFound
from yunzhuo.phoenix.cloud.openstack.places import Place, Places
from yunzhuo.phoenix.cloud.resources import (
    CommandResult,
    Console,
    ConsoleProtocol,
    FilePiece,
    GuestFile,
    Host,
    RebootKind,
    Screenshot,
    Server,
    ServerRequest,
    Snapshot,
)


def server_place(places: Places, server_id: str) -> tuple[Place, str]:
    """Where a server is, and Nova's id of it. Raises ServerNotFound."""
    place, own_id = places.of(server_id)
    if place is None:
        raise ServerNotFound(server_id)
    return place, own_id


class SpreadServers:
    """See ``Servers`` of the interface."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def create(self, request: ServerRequest) -> Server:
        place = self._places.named(request.project_id)
        return _told(place, place.servers.create(self._as_in(place, request)))

    def find(self, desktop_id: str, project_id: str | None = None) -> Server | None:
        place = self._places.named(project_id)
        found = place.servers.find(desktop_id)
        return None if found is None else _told(place, found)

    def get(self, server_id: str) -> Server:
        place, own_id = self._at(server_id)
        return _told(place, place.servers.get(own_id))

    def list(self) -> Sequence[Server]:
        return self._places.gather(lambda place: [_told(place, server) for server in place.servers.list()])

    def start(self, server_id: str, *, language: str | None = None) -> None:
        place, own_id = self._at(server_id)
        place.servers.start(own_id, language=language)

    def stop(self, server_id: str) -> None:
        place, own_id = self._at(server_id)
        place.servers.stop(own_id)

    def reboot(self, server_id: str, kind: RebootKind, *, language: str | None = None) -> None:
        place, own_id = self._at(server_id)
        place.servers.reboot(own_id, kind, language=language)

    def suspend(self, server_id: str) -> None:
        place, own_id = self._at(server_id)
        place.servers.suspend(own_id)

    def resume(self, server_id: str) -> None:
        place, own_id = self._at(server_id)
        place.servers.resume(own_id)

    def rebuild(self, server_id: str, image_id: str, *, language: str | None = None, user_data: str | None = None) -> None:
        place, own_id = self._at(server_id)
        place.servers.rebuild(own_id, image_id, language=language, user_data=user_data)

    def resize(self, server_id: str, flavor_id: str) -> None:
        place, own_id = self._at(server_id)
        place.servers.resize(own_id, flavor_id)

    def rename(self, server_id: str, name: str) -> None:
        place, own_id = self._at(server_id)
        place.servers.rename(own_id, name)

    def snapshot(self, server_id: str, name: str) -> Snapshot:
        place, own_id = self._at(server_id)
        return replace(place.servers.snapshot(own_id, name), server_id=server_id)

    def snapshots(self, server_id: str) -> Sequence[Snapshot]:
        place, own_id = self._at(server_id)
        return tuple(replace(snapshot, server_id=server_id) for snapshot in place.servers.snapshots(own_id))

    def roll_back(self, server_id: str, snapshot_id: str) -> None:
        place, own_id = self._at(server_id)
        place.servers.roll_back(own_id, snapshot_id)

    def delete_snapshot(self, server_id: str, snapshot_id: str) -> None:
        place, own_id = self._places.of(server_id)
        if place is not None:
            place.servers.delete_snapshot(own_id, snapshot_id)

    def delete(self, server_id: str) -> None:
        place, own_id = self._places.of(server_id)
        if place is not None:
            place.servers.delete(own_id)

    def console(self, server_id: str, protocol: ConsoleProtocol) -> Console:
        place, own_id = self._at(server_id)
        return place.servers.console(own_id, protocol)

    def screenshot(self, server_id: str) -> Screenshot:
        place, own_id = self._at(server_id)
        return place.servers.screenshot(own_id)

    def cpu_seconds(self, server_id: str) -> float:
        place, own_id = self._at(server_id)
        return place.servers.cpu_seconds(own_id)

    def _as_in(self, place: Place, request: ServerRequest) -> ServerRequest:
        """With the ids that network and groups have in this project: what is shared keeps its own, the rest its name."""
        home = self._places.home
        if place is home:
            return request
        network_id = request.network_id
        if network_id is not None and all(each.id != network_id for each in place.networks.list()):
            name = next((each.name for each in home.networks.list() if each.id == network_id), None)
            network_id = next((each.id for each in place.networks.list() if each.name == name), network_id)
        group_ids = request.security_group_ids
        if group_ids:
            names = {each.id: each.name for each in home.security_groups.list()}
            theirs = {each.name: each.id for each in place.security_groups.list()}
            group_ids = tuple(theirs.get(names.get(each, ""), each) for each in group_ids)
        return replace(request, network_id=network_id, security_group_ids=group_ids)

    def _at(self, server_id: str) -> tuple[Place, str]:
        return server_place(self._places, server_id)


class SpreadHosts:
    """See ``Hosts`` of the interface. Hosts are the cloud's, whichever project asks; servers are moved by their own."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def list(self) -> Sequence[Host]:
        return self._places.home.hosts.list()

    def disable(self, host_id: str, reason: str) -> None:
        self._places.home.hosts.disable(host_id, reason)

    def enable(self, host_id: str) -> None:
        self._places.home.hosts.enable(host_id)

    def force_down(self, host_id: str) -> None:
        self._places.home.hosts.force_down(host_id)

    def live_migrate(self, server_id: str, host_id: str | None = None) -> None:
        place, own_id = server_place(self._places, server_id)
        place.hosts.live_migrate(own_id, host_id)

    def migrate(self, server_id: str) -> None:
        place, own_id = server_place(self._places, server_id)
        place.hosts.migrate(own_id)

    def evacuate(self, server_id: str) -> None:
        place, own_id = server_place(self._places, server_id)
        place.hosts.evacuate(own_id)


class SpreadGuest:
    """See ``Guest`` of the interface."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def ready(self, server_id: str) -> bool:
        place, own_id = self._at(server_id)
        return place.guest.ready(own_id)

    def run(self, server_id: str, argv: Sequence[str], *, input: bytes = b"", timeout_seconds: float = 10) -> CommandResult:
        place, own_id = self._at(server_id)
        return place.guest.run(own_id, argv, input=input, timeout_seconds=timeout_seconds)

    def write_file(self, server_id: str, path: str, content: bytes) -> None:
        place, own_id = self._at(server_id)
        place.guest.write_file(own_id, path, content)

    def read_file(self, server_id: str, path: str, *, max_bytes: int) -> bytes:
        place, own_id = self._at(server_id)
        return place.guest.read_file(own_id, path, max_bytes=max_bytes)

    def list_files(self, server_id: str, folder: str) -> Sequence[GuestFile]:
        place, own_id = self._at(server_id)
        return place.guest.list_files(own_id, folder)

    def write_piece(self, server_id: str, path: str, content: bytes, *, offset: int) -> None:
        place, own_id = self._at(server_id)
        place.guest.write_piece(own_id, path, content, offset=offset)

    def read_piece(self, server_id: str, path: str, *, offset: int, max_bytes: int) -> FilePiece:
        place, own_id = self._at(server_id)
        return place.guest.read_piece(own_id, path, offset=offset, max_bytes=max_bytes)

    def move_file(self, server_id: str, path: str, new_path: str) -> None:
        place, own_id = self._at(server_id)
        place.guest.move_file(own_id, path, new_path)

    def delete_file(self, server_id: str, path: str) -> None:
        place, own_id = self._at(server_id)
        place.guest.delete_file(own_id, path)

    def get_clipboard(self, server_id: str) -> str:
        place, own_id = self._at(server_id)
        return place.guest.get_clipboard(own_id)

    def set_clipboard(self, server_id: str, text: str) -> None:
        place, own_id = self._at(server_id)
        place.guest.set_clipboard(own_id, text)

    def message(self, server_id: str, text: str) -> None:
        place, own_id = self._at(server_id)
        place.guest.message(own_id, text)

    def _at(self, server_id: str) -> tuple[Place, str]:
        return server_place(self._places, server_id)


def _told(place: Place, server: Server) -> Server:
    return replace(server, id=place.full_id(server.id))
