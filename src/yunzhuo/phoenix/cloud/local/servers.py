"""Servers of driver ``local``."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.local import wire
from yunzhuo.phoenix.cloud.local.connection import Connection, of_server
from yunzhuo.phoenix.cloud.local.projects import refuse_any
from yunzhuo.phoenix.cloud.resources import Console, ConsoleProtocol, RebootKind, Screenshot, Server, ServerRequest, Snapshot

# Somebody's page waits for it, one of many: what is late is not worth waiting for.
_SCREENSHOT_SECONDS = 3.0


class LocalServers:
    """See the interface for the promises."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, request: ServerRequest) -> Server:
        refuse_any(request.project_id)
        if request.security_group_ids:
            raise CloudNotOffered("security groups")
        body = wire.SERVER_REQUEST.dump_json(request)
        return wire.SERVER.validate_json(self._connection.call("POST", "/servers", content=body))

    def find(self, desktop_id: str, project_id: str | None = None) -> Server | None:
        refuse_any(project_id)
        found = self._connection.call("GET", "/servers", params={"desktop_id": desktop_id})
        return next(iter(wire.SERVERS.validate_json(found)), None)

    def get(self, server_id: str) -> Server:
        return wire.SERVER.validate_json(self._connection.call("GET", of_server(server_id)))

    def list(self) -> Sequence[Server]:
        return wire.SERVERS.validate_json(self._connection.call("GET", "/servers"))

    def start(self, server_id: str, *, language: str | None = None) -> None:
        self._connection.call("POST", of_server(server_id, "/start"), content=wire.Start(language=language).model_dump_json())

    def stop(self, server_id: str) -> None:
        self._connection.call("POST", of_server(server_id, "/stop"))

    def reboot(self, server_id: str, kind: RebootKind, *, language: str | None = None) -> None:
        body = wire.Reboot(kind=kind, language=language).model_dump_json()
        self._connection.call("POST", of_server(server_id, "/reboot"), content=body)

    def rename(self, server_id: str, name: str) -> None:
        self._connection.call("PATCH", of_server(server_id), content=wire.Rename(name=name).model_dump_json())

    def delete(self, server_id: str) -> None:
        self._connection.call("DELETE", of_server(server_id))

    def console(self, server_id: str, protocol: ConsoleProtocol) -> Console:
        return wire.CONSOLE.validate_json(self._connection.call("GET", of_server(server_id, f"/consoles/{protocol.value}")))

    def screenshot(self, server_id: str) -> Screenshot:
        address = of_server(server_id, "/screenshot")
        return wire.unpack_screenshot(self._connection.call("GET", address, within_seconds=_SCREENSHOT_SECONDS))

    def cpu_seconds(self, server_id: str) -> float:
        return wire.Seconds.model_validate_json(self._connection.call("GET", of_server(server_id, "/cpu"))).value

    def suspend(self, server_id: str) -> None:
        self._connection.call("POST", of_server(server_id, "/suspend"))

    def resume(self, server_id: str) -> None:
        self._connection.call("POST", of_server(server_id, "/resume"))

    def rebuild(self, server_id: str, image_id: str, *, language: str | None = None, user_data: str | None = None) -> None:
        body = wire.Rebuild(image_id=image_id, language=language).model_dump_json()
        self._connection.call("POST", of_server(server_id, "/rebuild"), content=body)

    def resize(self, server_id: str, flavor_id: str) -> None:
        self._connection.call(
            "POST", of_server(server_id, "/resize"), content=wire.Resize(flavor_id=flavor_id).model_dump_json()
        )

    def snapshot(self, server_id: str, name: str) -> Snapshot:
        body = wire.TakeSnapshot(name=name).model_dump_json()
        return wire.SNAPSHOT.validate_json(self._connection.call("POST", of_server(server_id, "/snapshots"), content=body))

    def snapshots(self, server_id: str) -> Sequence[Snapshot]:
        return wire.SNAPSHOTS.validate_json(self._connection.call("GET", of_server(server_id, "/snapshots")))

    def roll_back(self, server_id: str, snapshot_id: str) -> None:
        self._connection.call("POST", _of_snapshot(server_id, snapshot_id, "/roll-back"))

    def delete_snapshot(self, server_id: str, snapshot_id: str) -> None:
        self._connection.call("DELETE", _of_snapshot(server_id, snapshot_id))


def _of_snapshot(server_id: str, snapshot_id: str, rest: str = "") -> str:
    return of_server(server_id, f"/snapshots/{wire.to_segment(snapshot_id)}{rest}")
