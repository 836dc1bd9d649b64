"""Servers of driver ``openstack``."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, ServerBusy, ServerLocked, ServerNotFound
from yunzhuo.phoenix.cloud.openstack import quotas, verbs
from yunzhuo.phoenix.cloud.openstack.connection import CREATE, READ, REBUILD_VOLUME, Connection, Json
from yunzhuo.phoenix.cloud.openstack.consoles import Consoles
from yunzhuo.phoenix.cloud.openstack.creation import Creation, encoded_user_data
from yunzhuo.phoenix.cloud.openstack.flavors import OpenStackFlavors
from yunzhuo.phoenix.cloud.openstack.images import Fitting
from yunzhuo.phoenix.cloud.openstack.networks import OpenStackNetworks
from yunzhuo.phoenix.cloud.openstack.server_groups import ServerGroups
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup
from yunzhuo.phoenix.cloud.openstack.server_states import IMAGE, LANGUAGE, name_metadata, nova_name
from yunzhuo.phoenix.cloud.openstack.snapshots import Snapshots
from yunzhuo.phoenix.cloud.openstack.verbs import Asking, refusals
from yunzhuo.phoenix.cloud.resources import (
    Console,
    ConsoleProtocol,
    RebootKind,
    Screenshot,
    Server,
    ServerRequest,
    Snapshot,
)
from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput, NotFound

_REBOOTS = {RebootKind.SOFT: verbs.REBOOT_SOFT, RebootKind.HARD: verbs.REBOOT_HARD}


class OpenStackServers:
    """See the interface for the promises."""

    def __init__(
        self,
        connection: Connection,
        lookup: ServerLookup,
        flavors: OpenStackFlavors,
        images: Fitting,
        networks: OpenStackNetworks,
        groups: ServerGroups,
    ) -> None:
        self._connection = connection
        self._lookup = lookup
        self._flavors = flavors
        self._images = images
        self._asking = Asking(connection, lookup)
        self._creation = Creation(connection, lookup, flavors, images, networks, groups)
        self._snapshots = Snapshots(connection, lookup, self._asking)
        self._consoles = Consoles(connection, lookup)

    def create(self, request: ServerRequest) -> Server:
        return self._creation.create(request)

    def find(self, desktop_id: str) -> Server | None:
        return next((seen.server for seen in self._lookup.tagged(desktop_id)), None)

    def get(self, server_id: str) -> Server:
        seen = self._lookup.see(server_id)
        if seen.nova_status == "VERIFY_RESIZE" and seen.task is None:
            # Nova wants to be told that the new size is good before the old one is let go; the interface knows no such step.
            with suppress(ServerBusy, NotFound):
                self._asking.wish(server_id, {"confirmResize": None}, {400: _not_yet})
        return seen.server

    def list(self) -> Sequence[Server]:
        return tuple(seen.server for seen in self._lookup.all())

    def changed_since(self, moment: datetime) -> Mapping[str, str]:
        """The ids of ours of which Nova wrote something down at ``moment`` or later, those deleted since among them, each with
        a word that is another one when there is something new to be seen of it."""
        return self._lookup.changed_since(moment)

    def start(self, server_id: str, *, language: str | None = None) -> None:
        self._asking.act(server_id, verbs.START, language=language)

    def stop(self, server_id: str) -> None:
        self._asking.act(server_id, verbs.STOP)

    def reboot(self, server_id: str, kind: RebootKind, *, language: str | None = None) -> None:
        self._asking.act(server_id, _REBOOTS[kind], language=language)

    def suspend(self, server_id: str) -> None:
        self._asking.act(server_id, verbs.SUSPEND)

    def resume(self, server_id: str) -> None:
        self._asking.act(server_id, verbs.RESUME)

    def rebuild(self, server_id: str, image_id: str, *, language: str | None = None, user_data: str | None = None) -> None:
        seen = self._lookup.see(server_id)
        self._images.check_fit(image_id, self._flavors.get(seen.server.flavor_id))
        verbs.check(seen, verbs.REBUILD)
        metadata = {**seen.metadata, IMAGE: image_id, **({LANGUAGE: language} if language else {})}
        # Without user data the server keeps what it has; with it Nova's API has to be newer than the one that we read with.
        version = self._rebuild_version() if seen.has_volume else CREATE if user_data else READ
        told = {"user_data": encoded_user_data(user_data)} if user_data else {}
        wanted = {"rebuild": {"imageRef": image_id, "metadata": metadata, **told}}
        self._asking.wish(server_id, wanted, version=version)

    def resize(self, server_id: str, flavor_id: str) -> None:
        seen = self._lookup.see(server_id)
        old, new = self._flavors.get(seen.server.flavor_id), self._flavors.get(flavor_id)
        if old.id == new.id and not seen.is_changing:
            return
        verbs.check(seen, verbs.RESIZE)
        self._images.check_fit(seen.server.image_id, new)
        if new.disk_mib < old.disk_mib:
            wrong = {"flavor_id": f"has {new.disk_mib} MiB of disk"}
            raise InvalidInput(f"The disk of {old.disk_mib} MiB cannot shrink.", code="disk_would_shrink", fields=wrong)
        try:
            self._asking.wish(server_id, {"resize": {"flavorRef": flavor_id}})
        except Forbidden as refused:
            raise quotas.judge(self._connection, refused, new) from refused

    def rename(self, server_id: str, name: str) -> None:
        seen = self._lookup.see(server_id)
        self._asking.note(seen, name_metadata(name))
        body: Json = {"server": {"name": nova_name(name)}}
        self._connection.ask("compute", "PUT", f"/servers/{server_id}", body, refusals=refusals(server_id))

    def snapshot(self, server_id: str, name: str) -> Snapshot:
        return self._snapshots.take(server_id, name)

    def snapshots(self, server_id: str) -> Sequence[Snapshot]:
        return self._snapshots.list(server_id)

    def roll_back(self, server_id: str, snapshot_id: str) -> None:
        self._snapshots.roll_back(server_id, snapshot_id)

    def delete_snapshot(self, server_id: str, snapshot_id: str) -> None:
        self._snapshots.delete(server_id, snapshot_id)

    def delete(self, server_id: str) -> None:
        """By Nova's delete, or its force delete where an earlier one was only put into the cloud's own bin."""
        seen = self._lookup.see_if_there(server_id)
        if seen is None:
            return
        if seen.server.is_locked:
            raise ServerLocked(server_id)
        self._snapshots.delete_all(server_id)
        self._lookup.disturb(server_id)
        with suppress(ServerNotFound):
            if seen.nova_status == "SOFT_DELETED":
                self._asking.wish(server_id, {"forceDelete": None})
            else:
                self._connection.ask("compute", "DELETE", f"/servers/{server_id}", refusals=refusals(server_id))
        self._creation.leaves(server_id)

    def console(self, server_id: str, protocol: ConsoleProtocol) -> Console:
        return self._consoles.find(server_id, protocol)

    def screenshot(self, server_id: str) -> Screenshot:
        self._lookup.see(server_id)
        raise CloudNotOffered("pictures of screens")

    def cpu_seconds(self, server_id: str) -> float:
        self._lookup.see(server_id)
        raise CloudNotOffered("readings of CPU time")

    def _rebuild_version(self) -> str:
        if self._connection.max_microversion() < tuple(int(part) for part in REBUILD_VOLUME.split(".")):
            raise CloudNotOffered(f"restoring a server whose disk is a volume (that needs Nova's API {REBUILD_VOLUME})")
        return REBUILD_VOLUME


def _not_yet(said: str, **details: object) -> ServerBusy:
    """Nova shows VERIFY_RESIZE a moment before it would take the word."""
    return ServerBusy(f"The server cannot be told yet that its new size is good: {said}", **details)
