"""Looking after one server of driver ``openstack``."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, ImageNotFound, SecurityGroupNotFound, ServerBusy
from yunzhuo.phoenix.cloud.openstack import verbs
from yunzhuo.phoenix.cloud.openstack.connection import CREATE, Connection, Json, Refusals
from yunzhuo.phoenix.cloud.openstack.images import OpenStackImages
from yunzhuo.phoenix.cloud.openstack.network_refusals import gone
from yunzhuo.phoenix.cloud.openstack.security_groups import OpenStackSecurityGroups
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup
from yunzhuo.phoenix.cloud.openstack.verbs import Asking
from yunzhuo.phoenix.common.errors import InvalidInput


class OpenStackCare:
    """See the interface for the promises."""

    def __init__(
        self, connection: Connection, lookup: ServerLookup, images: OpenStackImages, groups: OpenStackSecurityGroups
    ) -> None:
        self._connection = connection
        self._lookup = lookup
        self._images = images
        self._groups = groups
        self._asking = Asking(connection, lookup)

    def console_log(self, server_id: str, *, max_bytes: int) -> str:
        """Nova hands out the end of it alone, some 100 KiB."""
        self._lookup.see(server_id)
        said = self._asking.wish(server_id, {"os-getConsoleOutput": {}}, _NO_LOG).get("output")
        log = str(said or "").replace("\r\n", "\n").encode()
        return log[max(0, len(log) - max_bytes) :].decode(errors="ignore")

    def pause(self, server_id: str) -> None:
        self._asking.act(server_id, verbs.PAUSE)

    def shelve(self, server_id: str) -> None:
        if not self._lookup.see(server_id).is_shelved:
            self._asking.act(server_id, verbs.SHELVE)

    def lock(self, server_id: str) -> None:
        self._set_lock(server_id, "lock", is_locked=True)

    def unlock(self, server_id: str) -> None:
        self._set_lock(server_id, "unlock", is_locked=False)

    def rescue(self, server_id: str, image_id: str | None = None) -> None:
        seen = self._lookup.see(server_id)
        if image_id is not None:
            self._images.get(image_id)
        if verbs.is_already(seen, verbs.RESCUE):
            return
        verbs.check(seen, verbs.RESCUE)
        wanted: Json = {"rescue_image_ref": image_id} if image_id else {}
        refusals: Refusals = {400: _not_on_volumes if seen.has_volume else _cannot}
        if image_id:
            refusals = {**refusals, 404: gone(ImageNotFound, image_id)}
        # Of a server whose disk is a volume since Nova's API 2.87, with images that are made for it.
        self._asking.wish(server_id, {"rescue": wanted or None}, refusals, version=CREATE)

    def unrescue(self, server_id: str) -> None:
        self._asking.act(server_id, verbs.UNRESCUE)

    def security_groups(self, server_id: str) -> Sequence[str]:
        self._lookup.see(server_id)
        return sorted({group for port in self._ports(server_id) for group in port["security_groups"]})

    def set_security_groups(self, server_id: str, group_ids: Sequence[str]) -> None:
        """By its ports, as Neutron has the groups: Nova knows them by name, which need not be unique."""
        seen = self._lookup.see(server_id)
        verbs.refuse_locked(seen)
        wanted = sorted(set(group_ids))
        there = {group.id for group in self._groups.list()} if wanted else set()
        for group_id in wanted:
            if group_id not in there:
                raise SecurityGroupNotFound(group_id)
        ports = self._ports(server_id)
        if not ports:
            raise ServerBusy("The server is on no network yet.", server_id=server_id)
        for port in ports:
            if sorted(port["security_groups"]) != wanted:
                body = {"port": {"security_groups": wanted}}
                refusals: Refusals = {404: lambda _said, **_details: ServerBusy("It has just left a network.")}
                self._connection.ask("network", "PUT", f"/ports/{port['id']}", body, refusals=refusals)

    def _set_lock(self, server_id: str, verb: str, *, is_locked: bool) -> None:
        seen = self._lookup.see(server_id)
        if seen.is_being_deleted:
            raise ServerBusy("The server is being deleted.", server_id=server_id)
        if seen.server.is_locked is not is_locked:
            self._asking.wish(server_id, {verb: None})

    def _ports(self, server_id: str) -> Sequence[Json]:
        path = f"/ports?device_id={server_id}&fields=id&fields=security_groups"
        return list(self._connection.pages("network", path, "ports"))


def _cannot(said: str, **details: object) -> InvalidInput:
    error = InvalidInput(f"This server cannot be rescued so: {said}", code="cannot_be_rescued")
    error.details = {**error.details, **details}
    return error


def _not_on_volumes(said: str, **_details: object) -> CloudNotOffered:
    return CloudNotOffered(f"rescuing a server whose disk is a volume with this image ({said})")


def _no_log_now(said: str, **details: object) -> ServerBusy:
    return ServerBusy(f"There is no console log now: {said}", **details)


_NO_LOG: Refusals = {
    404: _no_log_now,
    409: _no_log_now,
    501: lambda _said, **_details: CloudNotOffered("serial consoles"),
}
