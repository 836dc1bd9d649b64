"""The host's HTTP routes: they read the request, call the host, and write the answer down."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yunzhuo.host.host import DesktopHost
from yunzhuo.host.servers import as_cloud_error
from yunzhuo.phoenix.cloud.interface import PIECE_BYTES
from yunzhuo.phoenix.cloud.local import wire
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol
from yunzhuo.phoenix.common.errors import (
    Conflict,
    InvalidInput,
    LimitReached,
    NotFound,
    NotOffered,
    Refused,
    YunzhuoError,
)
from yunzhuo.phoenix.common.logging import get_logger

_LARGEST_FILE_BYTES = 64 * 1024 * 1024
# The status is for people with curl; the driver reads code and kind.
_KINDS: tuple[tuple[type[YunzhuoError], str, int], ...] = (
    (InvalidInput, "invalid_input", 400),
    (NotFound, "not_found", 404),
    (Conflict, "conflict", 409),
    (LimitReached, "limit_reached", 409),
    (NotOffered, "not_offered", 501),
    (Refused, "refused", 409),
    (YunzhuoError, "broken", 503),
)

logger = get_logger()
Handler = Callable[[DesktopHost, Request], Awaitable[Response]]


async def check(_host: DesktopHost, _request: Request) -> Response:
    return _nothing()


async def create_server(host: DesktopHost, request: Request) -> Response:
    wanted = _parse(wire.SERVER_REQUEST, await request.body())
    return _json(wire.SERVER, await host.servers.create(wanted))


async def list_servers(host: DesktopHost, request: Request) -> Response:
    return _json(wire.SERVERS, tuple(host.servers.list(request.query_params.get("desktop_id"))))


async def get_server(host: DesktopHost, request: Request) -> Response:
    return _json(wire.SERVER, host.servers.get(_id(request)))


async def rename_server(host: DesktopHost, request: Request) -> Response:
    await host.servers.rename(_id(request), wire.Rename.model_validate_json(await request.body()).name)
    return _nothing()


async def delete_server(host: DesktopHost, request: Request) -> Response:
    await host.servers.delete(_id(request))
    return _nothing()


async def start_server(host: DesktopHost, request: Request) -> Response:
    await host.power.start(_id(request), wire.Start.model_validate_json(await request.body()).language)
    return _nothing()


async def stop_server(host: DesktopHost, request: Request) -> Response:
    await host.power.stop(_id(request))
    return _nothing()


async def reboot_server(host: DesktopHost, request: Request) -> Response:
    wanted = wire.Reboot.model_validate_json(await request.body())
    await host.power.reboot(_id(request), wanted.kind, wanted.language)
    return _nothing()


async def rebuild_server(host: DesktopHost, request: Request) -> Response:
    wanted = wire.Rebuild.model_validate_json(await request.body())
    await host.reshaping.rebuild(_id(request), wanted.image_id, wanted.language)
    return _nothing()


async def resize_server(host: DesktopHost, request: Request) -> Response:
    await host.reshaping.resize(_id(request), wire.Resize.model_validate_json(await request.body()).flavor_id)
    return _nothing()


async def suspend_server(host: DesktopHost, request: Request) -> Response:
    await host.suspension.suspend(_id(request))
    return _nothing()


async def resume_server(host: DesktopHost, request: Request) -> Response:
    await host.suspension.resume(_id(request))
    return _nothing()


async def take_snapshot(host: DesktopHost, request: Request) -> Response:
    name = wire.TakeSnapshot.model_validate_json(await request.body()).name
    return _json(wire.SNAPSHOT, await host.snapshots.take(_id(request), name))


async def list_snapshots(host: DesktopHost, request: Request) -> Response:
    return _json(wire.SNAPSHOTS, tuple(host.snapshots.list(_id(request))))


async def roll_back(host: DesktopHost, request: Request) -> Response:
    await host.snapshots.roll_back(_id(request), _snapshot_id(request))
    return _nothing()


async def delete_snapshot(host: DesktopHost, request: Request) -> Response:
    await host.snapshots.delete(_id(request), _snapshot_id(request))
    return _nothing()


async def create_volume(host: DesktopHost, request: Request) -> Response:
    return _json(wire.VOLUME, await host.volumes.create(_parse(wire.VOLUME_REQUEST, await request.body())))


async def list_volumes(host: DesktopHost, request: Request) -> Response:
    return _json(wire.VOLUMES, tuple(host.volumes.list(request.query_params.get("disk_id"))))


async def get_volume(host: DesktopHost, request: Request) -> Response:
    return _json(wire.VOLUME, host.volumes.get(_id(request)))


async def delete_volume(host: DesktopHost, request: Request) -> Response:
    await host.volumes.delete(_id(request))
    return _nothing()


async def attach_volume(host: DesktopHost, request: Request) -> Response:
    await host.volumes.attach(_id(request), wire.Attach.model_validate_json(await request.body()).server_id)
    return _nothing()


async def detach_volume(host: DesktopHost, request: Request) -> Response:
    asked = wire.Detach.model_validate_json(await request.body())
    await host.volumes.detach(_id(request), asked.server_id, force=asked.force)
    return _nothing()


async def take_volume_snapshot(host: DesktopHost, request: Request) -> Response:
    name = wire.TakeSnapshot.model_validate_json(await request.body()).name
    return _json(wire.VOLUME_SNAPSHOT, await host.volumes.snapshot(_id(request), name))


async def list_volume_snapshots(host: DesktopHost, request: Request) -> Response:
    return _json(wire.VOLUME_SNAPSHOTS, tuple(host.volumes.snapshots(_id(request))))


async def restore_volume(host: DesktopHost, request: Request) -> Response:
    await host.volumes.restore(_id(request), _snapshot_id(request))
    return _nothing()


async def delete_volume_snapshot(host: DesktopHost, request: Request) -> Response:
    await host.volumes.delete_snapshot(_id(request), _snapshot_id(request))
    return _nothing()


async def get_console(host: DesktopHost, request: Request) -> Response:
    protocol = ConsoleProtocol(request.path_params["protocol"])
    return _json(wire.CONSOLE, host.servers.console(_id(request), protocol))


async def get_cpu(host: DesktopHost, request: Request) -> Response:
    return _message(wire.Seconds(value=host.servers.cpu_seconds(_id(request))))


async def get_screenshot(host: DesktopHost, request: Request) -> Response:
    return Response(wire.pack_screenshot(await host.pictures.look(_id(request))), media_type="application/octet-stream")


async def guest_ready(host: DesktopHost, request: Request) -> Response:
    return _message(wire.Answer(value=await host.guests.ready(_id(request))))


async def guest_run(host: DesktopHost, request: Request) -> Response:
    wanted = wire.Run.model_validate_json(await request.body())
    result = await host.guests.run(_id(request), wanted.argv, stdin=wanted.stdin, timeout_seconds=wanted.timeout_seconds)
    return _message(wire.RunEnded(exit_code=result.exit_code, stdout=result.stdout, stderr=result.stderr))


async def guest_write_file(host: DesktopHost, request: Request) -> Response:
    if int(request.headers.get("content-length", 0)) > _LARGEST_FILE_BYTES:
        raise InvalidInput("The file is too large to be put into a desktop this way.", code="file_too_large")
    await host.guests.write_file(_id(request), request.query_params.get("path", ""), await request.body())
    return _nothing()


async def guest_read_file(host: DesktopHost, request: Request) -> Response:
    path, limit = request.query_params.get("path", ""), int(request.query_params.get("max_bytes", "0"))
    content = await host.guests.read_file(_id(request), path, max_bytes=limit)
    return Response(content, media_type="application/octet-stream")


async def guest_list_files(host: DesktopHost, request: Request) -> Response:
    return _json(wire.GUEST_FILES, tuple(await host.files.list(_id(request), request.query_params.get("path", ""))))


async def guest_write_piece(host: DesktopHost, request: Request) -> Response:
    if int(request.headers.get("content-length", 0)) > PIECE_BYTES:
        raise InvalidInput("The piece is too large.", code="file_out_of_step")
    path, offset = request.query_params.get("path", ""), int(request.query_params.get("offset", "0"))
    await host.files.write_piece(_id(request), path, await request.body(), offset=offset)
    return _nothing()


async def guest_read_piece(host: DesktopHost, request: Request) -> Response:
    asked = request.query_params
    piece = await host.files.read_piece(
        _id(request), asked.get("path", ""), offset=int(asked.get("offset", "0")), max_bytes=int(asked.get("max_bytes", "0"))
    )
    return Response(wire.pack_piece(piece), media_type="application/octet-stream")


async def guest_move_file(host: DesktopHost, request: Request) -> Response:
    await host.files.move(_id(request), request.query_params.get("path", ""), request.query_params.get("new_path", ""))
    return _nothing()


async def guest_delete_file(host: DesktopHost, request: Request) -> Response:
    await host.files.delete(_id(request), request.query_params.get("path", ""))
    return _nothing()


async def get_clipboard(host: DesktopHost, request: Request) -> Response:
    return _message(wire.Text(text=await host.guests.get_clipboard(_id(request))))


async def set_clipboard(host: DesktopHost, request: Request) -> Response:
    await host.guests.set_clipboard(_id(request), wire.Text.model_validate_json(await request.body()).text)
    return _nothing()


async def show_message(host: DesktopHost, request: Request) -> Response:
    await host.guests.message(_id(request), wire.Text.model_validate_json(await request.body()).text)
    return _nothing()


async def list_flavors(host: DesktopHost, _request: Request) -> Response:
    return _json(wire.FLAVORS, tuple(host.flavors()))


async def get_flavor(host: DesktopHost, request: Request) -> Response:
    return _json(wire.FLAVOR, host.flavor(_id(request)))


async def list_images(host: DesktopHost, _request: Request) -> Response:
    return _json(wire.IMAGES, tuple(host.images()))


async def get_image(host: DesktopHost, request: Request) -> Response:
    return _json(wire.IMAGE, host.image(_id(request)))


async def is_prepared(host: DesktopHost, request: Request) -> Response:
    return _message(
        wire.Answer(value=await host.is_prepared(_id(request), wire.from_segment(request.path_params["flavor_id"])))
    )


async def list_networks(host: DesktopHost, _request: Request) -> Response:
    return _json(wire.NETWORKS, tuple(host.networks()))


async def list_hosts(host: DesktopHost, _request: Request) -> Response:
    return _json(wire.HOSTS, tuple(host.hosts()))


async def stop_all(host: DesktopHost, _request: Request) -> Response:
    return _message(wire.StoppedAll(count=await host.stop_all()))


_SERVER = "/servers/{id}"
_VOLUME = "/volumes/{id}"
_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/check", check),
    ("POST", "/servers", create_server),
    ("GET", "/servers", list_servers),
    ("GET", _SERVER, get_server),
    ("PATCH", _SERVER, rename_server),
    ("DELETE", _SERVER, delete_server),
    ("POST", f"{_SERVER}/start", start_server),
    ("POST", f"{_SERVER}/stop", stop_server),
    ("POST", f"{_SERVER}/reboot", reboot_server),
    ("POST", f"{_SERVER}/rebuild", rebuild_server),
    ("POST", f"{_SERVER}/resize", resize_server),
    ("POST", f"{_SERVER}/suspend", suspend_server),
    ("POST", f"{_SERVER}/resume", resume_server),
    ("POST", f"{_SERVER}/snapshots", take_snapshot),
    ("GET", f"{_SERVER}/snapshots", list_snapshots),
    ("POST", f"{_SERVER}/snapshots/{{snapshot_id}}/roll-back", roll_back),
    ("DELETE", f"{_SERVER}/snapshots/{{snapshot_id}}", delete_snapshot),
    ("GET", f"{_SERVER}/consoles/{{protocol}}", get_console),
    ("GET", f"{_SERVER}/screenshot", get_screenshot),
    ("GET", f"{_SERVER}/cpu", get_cpu),
    ("GET", f"{_SERVER}/guest/ready", guest_ready),
    ("POST", f"{_SERVER}/guest/run", guest_run),
    ("PUT", f"{_SERVER}/guest/file", guest_write_file),
    ("GET", f"{_SERVER}/guest/file", guest_read_file),
    ("GET", f"{_SERVER}/guest/files", guest_list_files),
    ("PUT", f"{_SERVER}/guest/piece", guest_write_piece),
    ("GET", f"{_SERVER}/guest/piece", guest_read_piece),
    ("DELETE", f"{_SERVER}/guest/piece", guest_delete_file),
    ("POST", f"{_SERVER}/guest/move", guest_move_file),
    ("GET", f"{_SERVER}/guest/clipboard", get_clipboard),
    ("PUT", f"{_SERVER}/guest/clipboard", set_clipboard),
    ("POST", f"{_SERVER}/guest/message", show_message),
    ("POST", "/volumes", create_volume),
    ("GET", "/volumes", list_volumes),
    ("GET", _VOLUME, get_volume),
    ("DELETE", _VOLUME, delete_volume),
    ("POST", f"{_VOLUME}/attach", attach_volume),
    ("POST", f"{_VOLUME}/detach", detach_volume),
    ("POST", f"{_VOLUME}/snapshots", take_volume_snapshot),
    ("GET", f"{_VOLUME}/snapshots", list_volume_snapshots),
    ("POST", f"{_VOLUME}/snapshots/{{snapshot_id}}/restore", restore_volume),
    ("DELETE", f"{_VOLUME}/snapshots/{{snapshot_id}}", delete_volume_snapshot),
    ("GET", "/flavors", list_flavors),
    ("GET", "/flavors/{id}", get_flavor),
    ("GET", "/images", list_images),
    ("GET", "/images/{id}", get_image),
    ("GET", "/images/{id}/prepared/{flavor_id}", is_prepared),
    ("GET", "/networks", list_networks),
    ("GET", "/hosts", list_hosts),
    ("POST", "/stop-all", stop_all),
)


def make_app(host: DesktopHost) -> Starlette:
    """The application that serves ``host``."""
    return Starlette(routes=[Route(path, _answering(host, handler), methods=[method]) for method, path, handler in _ROUTES])


def _answering(host: DesktopHost, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await handler(host, request)
        except YunzhuoError as error:
            return _problem(error)
        except (ValidationError, ValueError) as error:
            return _problem(InvalidInput("The request to the host is malformed.", fields={"body": str(error)[:500]}))
        except OSError as error:
            logger.error("host_call_failed", path=request.url.path, why=str(error))
            return _problem(as_cloud_error(error))

    return endpoint


def _problem(error: YunzhuoError) -> Response:
    kind, status = next((kind, status) for branch, kind, status in _KINDS if isinstance(error, branch))
    details: dict[str, Any] = json.loads(json.dumps(dict(error.details), default=str))
    return _message(wire.Problem(code=error.code, kind=kind, message=error.message, details=details), status)


def _id(request: Request) -> str:
    return wire.from_segment(request.path_params["id"])


def _snapshot_id(request: Request) -> str:
    return wire.from_segment(request.path_params["snapshot_id"])


def _parse(shape: "TypeAdapter[wire.Resource]", body: bytes) -> "wire.Resource":
    return shape.validate_json(body)


def _json(shape: "TypeAdapter[wire.Resource]", value: "wire.Resource") -> Response:
    return Response(shape.dump_json(value), media_type="application/json")


def _message(message: wire.Message, status: int = 200) -> Response:
    return Response(message.model_dump_json(), status, media_type="application/json")


def _nothing() -> Response:
    return Response(status_code=204)
