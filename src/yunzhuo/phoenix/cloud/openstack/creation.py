"""Making servers: one for each tag, although Nova's tags are not unique.

Threads of one process take turns. Two processes can still both find nothing and both create. So whoever has created looks
again, and gives up its own server when there is another that need not be younger (ADR 19); nobody ever removes the server of
somebody else. What a crash leaves over, the reconciler sees as a double.
"""

import base64
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from yunzhuo.phoenix.cloud.errors import CloudUnavailable, ServerBusy
from yunzhuo.phoenix.cloud.openstack import quotas
from yunzhuo.phoenix.cloud.openstack.connection import CREATE, Connection, Json
from yunzhuo.phoenix.cloud.openstack.elsewhere import Elsewhere
from yunzhuo.phoenix.cloud.openstack.flavors import OpenStackFlavors
from yunzhuo.phoenix.cloud.openstack.images import Fitting
from yunzhuo.phoenix.cloud.openstack.key_pairs import check_key_pair
from yunzhuo.phoenix.cloud.openstack.networks import OpenStackNetworks
from yunzhuo.phoenix.cloud.openstack.security_groups import check_groups
from yunzhuo.phoenix.cloud.openstack.server_groups import ServerGroups
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup, is_desktop_id
from yunzhuo.phoenix.cloud.openstack.server_states import (
    DESKTOP,
    IMAGE,
    LANGUAGE,
    Seen,
    desktop_tag,
    name_metadata,
    nova_name,
)
from yunzhuo.phoenix.cloud.resources import Server, ServerRequest, ServerStatus
from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput

_LOCKS = 64
# Nova takes a delete before it has put the server into a cell, and may show it once more as one that is being built.
_LEAVING_SECONDS = 120.0


class Creation:
    """See ``Servers.create`` of the interface."""

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
        self._networks = networks
        self._groups = groups
        self._elsewhere = Elsewhere(connection, lookup)
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self._leaving: dict[str, float] = {}  # servers that this process had deleted, and until when that is believed

    def create(self, request: ServerRequest) -> Server:
        """The server with the request's tag: made, or the one that is there."""
        if not is_desktop_id(request.desktop_id):
            raise InvalidInput("A desktop's id has 1 to 40 letters, digits, _ or -.", fields={"desktop_id": "not a tag"})
        with self._locks[crc32(request.desktop_id.encode()) % _LOCKS]:
            there = () if request.is_absent else self._tagged(request)
            if there:
                usable = self._usable(there[0])
                return replace(usable, request_id=self._request_of(usable.id))
            server_id, request_id = self._ask_for(request)
            return replace(self._settle(server_id, request), request_id=request_id)

    def leaves(self, server_id: str) -> None:
        """Nova took its delete: it is nobody's any more, whatever Nova shows for a while."""
        now = time.monotonic()
        self._leaving = {each: until for each, until in self._leaving.items() if until > now}
        self._leaving[server_id] = now + _LEAVING_SECONDS

    def _tagged(self, request: ServerRequest) -> Sequence[Seen]:
        return [seen for seen in self._lookup.tagged(request.desktop_id) if seen.server.id not in request.given_up]

    def _request_of(self, server_id: str) -> str | None:
        """Of the create whose answer never came."""
        try:
            actions = self._connection.get("compute", f"/servers/{server_id}/os-instance-actions")["instanceActions"]
        except Forbidden:
            return None
        return next((each["request_id"] for each in actions if each["action"] == "create"), None)

    def _usable(self, seen: Seen) -> Server:
        if seen.is_being_deleted or self._leaving.get(seen.server.id, 0) > time.monotonic():
            raise ServerBusy("A server with this tag is still being deleted.", server_id=seen.server.id)
        return seen.server

    def _ask_for(self, request: ServerRequest) -> tuple[str, str | None]:
        """The new server's id, and that of the request."""
        flavor = self._flavors.get(request.flavor_id)
        self._images.check_fit(request.image_id, flavor)
        body = self._body(request, self._networks.choose(request.network_id).id)
        group_id = self._groups.chosen_id()
        hints = self._hints(group_id)
        host = self._elsewhere.choose(request, flavor)
        if host is not None:
            # 403: our account has not the role. That has changed nothing, and Nova chooses.
            with suppress(Forbidden):
                return self._post(body | {"hypervisor_hostname": host}, hints)
        try:
            return self._post(body, hints)
        except Forbidden as refused:
            self._groups.check_room(group_id, refused)
            raise quotas.judge(self._connection, refused, flavor) from refused
        except InvalidInput:
            # Which are looked for only now: mostly they are there.
            check_key_pair(self._connection)
            check_groups(self._connection, request.security_group_ids)
            raise

    def _post(self, body: Json, hints: Json) -> tuple[str, str | None]:
        wanted = {"server": body} | ({"os:scheduler_hints": hints} if hints else {})
        made, request_id = self._connection.ask_noted("compute", "POST", "/servers", wanted, version=CREATE)
        return str(made["server"]["id"]), request_id

    def _hints(self, group_id: str | None) -> Json:
        """Nova takes a name's one value as text, and several as a list."""
        said: dict[str, list[str]] = {"group": [group_id]} if group_id else {}
        for hint in self._connection.settings.scheduler_hints:
            name, _, value = hint.partition("=")
            said.setdefault(name, []).append(value)
        return {name: values[0] if len(values) == 1 else values for name, values in said.items()}

    def _body(self, request: ServerRequest, network_id: str) -> dict[str, Any]:
        settings = self._connection.settings
        metadata = dict(request.metadata) | {DESKTOP: request.desktop_id, IMAGE: request.image_id} | name_metadata(request.name)
        if request.language:
            metadata[LANGUAGE] = request.language
        body: dict[str, Any] = {
            "name": nova_name(request.name),
            "hostname": request.hostname,
            "imageRef": request.image_id,
            "flavorRef": request.flavor_id,
            "networks": [{"uuid": network_id}],
            "metadata": metadata,
            "tags": [settings.tag, desktop_tag(request.desktop_id)],
            "config_drive": True,
        }
        if settings.boot_volume_gib:
            del body["imageRef"]
            body["block_device_mapping_v2"] = [_boot_volume(request.image_id, settings.boot_volume_gib)]
        if request.user_data:
            body["user_data"] = encoded_user_data(request.user_data)
        if settings.availability_zone:
            body["availability_zone"] = settings.availability_zone
        groups = request.security_group_ids or settings.security_groups
        if groups:
            body["security_groups"] = [{"name": name_or_id} for name_or_id in groups]
        if settings.key_name:
            body["key_name"] = settings.key_name
        return body

    def _settle(self, server_id: str, request: ServerRequest) -> Server:
        """The one server of this tag. ``server_id`` is ours, which we were told of before anybody could have seen it."""
        there = self._tagged(request)
        ours = next((seen for seen in there if seen.server.id == server_id), None)
        rivals = [seen for seen in there if seen.server.id != server_id and not _is_younger(seen, ours)]
        if not rivals:
            return ours.server if ours else _as_asked_for(server_id, request)
        self._connection.ask("compute", "DELETE", f"/servers/{server_id}", refusals={404: _gone_already})
        self.leaves(server_id)
        raise CloudUnavailable("The server was asked for twice at the same moment; one of the two is being removed.")


def _boot_volume(image_id: str, size_gib: int) -> Json:
    """A disk that Nova has made of the image, and that goes with the server."""
    return {
        "boot_index": 0,
        "source_type": "image",
        "uuid": image_id,
        "destination_type": "volume",
        "volume_size": size_gib,
        "delete_on_termination": True,
    }


def encoded_user_data(text: str) -> str:
    """User data as Nova takes it."""
    return base64.b64encode(text.encode()).decode()


def _is_younger(seen: Seen, ours: Seen | None) -> bool:
    """Whether its maker must have seen ours. Nova tells whole seconds: within one, nobody knows who was first."""
    return ours is not None and seen.server.created_at > ours.server.created_at


def _as_asked_for(server_id: str, request: ServerRequest) -> Server:
    """Nova's list does not have it yet, which is no reason to say that it is not there."""
    now = datetime.now(UTC)
    return Server(
        id=server_id,
        desktop_id=request.desktop_id,
        name=request.name,
        status=ServerStatus.BUILDING,
        image_id=request.image_id,
        flavor_id=request.flavor_id,
        host="",
        created_at=now,
        observed_at=now,
        language=request.language,
    )


def _gone_already(said: str, **details: object) -> CloudUnavailable:
    return CloudUnavailable(f"The server is gone already: {said}", **details)
