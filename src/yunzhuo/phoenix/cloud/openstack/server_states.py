"""Nova's servers as ours: pure translation, and what each verb may be asked of. Nothing here calls anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from yunzhuo.phoenix.cloud.resources import Address, Server, ServerStatus

DESKTOP = "yunzhuo_desktop"
LANGUAGE = "yunzhuo_language"
IMAGE = "yunzhuo_image"
NAME = "yunzhuo_name"

_BUILDING = ServerStatus.BUILDING
_RUNNING = ServerStatus.RUNNING
_STOPPED = ServerStatus.STOPPED
_SUSPENDED = ServerStatus.SUSPENDED
_RESCUED = ServerStatus.RESCUED

#: Nova's status (API guide, "Server concepts") and what it is here. A server that is on its way keeps the status from before.
STATUSES: Mapping[str, ServerStatus] = {
    "BUILD": _BUILDING,
    "REBUILD": _BUILDING,
    "RESIZE": _BUILDING,
    "VERIFY_RESIZE": _BUILDING,
    "REVERT_RESIZE": _BUILDING,
    "ACTIVE": _RUNNING,
    "REBOOT": _RUNNING,
    "HARD_REBOOT": _RUNNING,
    "PASSWORD": _RUNNING,
    "MIGRATING": _RUNNING,
    "SHUTOFF": _STOPPED,
    "SHELVED": _STOPPED,
    "SHELVED_OFFLOADED": _STOPPED,
    "SUSPENDED": _SUSPENDED,
    "PAUSED": _SUSPENDED,
    "RESCUE": _RESCUED,
    "ERROR": ServerStatus.ERROR,
}
#: Nova's task and where it leads; other tasks end where they began.
_HEADING_FOR: Mapping[str, ServerStatus] = {
    "powering-on": _RUNNING,
    "powering-off": _STOPPED,
    "suspending": _SUSPENDED,
    "resuming": _RUNNING,
    "pausing": _SUSPENDED,
    "unpausing": _RUNNING,
    "rescuing": _RESCUED,
    "unrescuing": _RUNNING,
    "shelving": _STOPPED,
    "shelving_image_pending_upload": _STOPPED,
    "shelving_image_uploading": _STOPPED,
    "shelving_offloading": _STOPPED,
    "unshelving": _RUNNING,
    "scheduling": _RUNNING,
    "networking": _RUNNING,
    "block_device_mapping": _RUNNING,
    "spawning": _RUNNING,
}
_GONE = frozenset({"DELETED"})
_TELLING = ("updated", "status", "OS-EXT-STS:task_state", "OS-EXT-STS:power_state")
_NAME_MAX_CHARACTERS = 255
_BASIC_PLANE = 0xFFFF


@dataclass(frozen=True, slots=True)
class Seen:
    """A server of ours, with what only Nova's words say."""

    server: Server
    nova_status: str
    task: str | None
    metadata: Mapping[str, str]
    has_volume: bool = False  # its disk is one

    @property
    def heading_for(self) -> ServerStatus:
        """The status it has, or will have when what goes on has ended."""
        return _HEADING_FOR.get(self.task or "", self.server.status)

    @property
    def is_shelved(self) -> bool:
        """Whether it is put away, or on its way there."""
        return self.nova_status.startswith("SHELVED") or (self.task or "").startswith("shelving")

    @property
    def is_being_deleted(self) -> bool:
        return self.task in ("deleting", "soft-deleting") or self.nova_status == "SOFT_DELETED"

    @property
    def is_changing(self) -> bool:
        return self.task is not None or self.server.status is _BUILDING or self.is_being_deleted

    @property
    def rests_running(self) -> bool:
        """Whether it runs and nothing goes on with it."""
        return self.server.status is _RUNNING and not self.is_changing


def desktop_tag(desktop_id: str) -> str:
    """The tag by which one server is found."""
    return f"desktop-{desktop_id}"


def telling(found: Mapping[str, Any]) -> str:
    """A word for what a server is at, another one when there is something new to be seen. One that is being made goes through
    many tasks, and whoever waits for it waits for their end."""
    return "BUILD" if found["status"] == "BUILD" else " ".join(str(found.get(name)) for name in _TELLING)


def read(found: Mapping[str, Any], *, owner_tag: str, observed_at: datetime) -> Seen | None:
    """A server as Nova tells it (microversion 2.46); None when it is not ours, or gone."""
    metadata: Mapping[str, str] = found.get("metadata") or {}
    desktop_id = metadata.get(DESKTOP)
    tags = found.get("tags") or ()
    if not desktop_id or owner_tag not in tags or desktop_tag(desktop_id) not in tags or found["status"] in _GONE:
        return None
    status = STATUSES.get(found["status"], ServerStatus.UNKNOWN)
    image = found.get("image") or {}
    server = Server(
        id=found["id"],
        desktop_id=desktop_id,
        name=read_name(found["name"], metadata),
        status=status,
        # A server that was rolled back was built from its snapshot's image: what it was made of stands in its metadata.
        image_id=metadata.get(IMAGE) or image.get("id", ""),
        flavor_id=(found.get("flavor") or {}).get("id", ""),
        host=found.get("OS-EXT-SRV-ATTR:hypervisor_hostname") or "",
        created_at=read_time(found["created"]),
        observed_at=observed_at,
        addresses=_addresses(found.get("addresses") or {}),
        fault=(found.get("fault") or {}).get("message") or None if status is ServerStatus.ERROR else None,
        language=metadata.get(LANGUAGE) or None,
        is_locked=bool(found.get("locked")),
    )
    return Seen(server, found["status"], found.get("OS-EXT-STS:task_state"), metadata, has_volume=not found.get("image"))


def _addresses(networks: Mapping[str, Any]) -> tuple[Address, ...]:
    return tuple(
        Address(network, address["addr"], is_floating=address.get("OS-EXT-IPS:type") == "floating")
        for network in sorted(networks)
        for address in networks[network]
    )


def read_time(text: str) -> datetime:
    """Nova's, Glance's and Neutron's times are UTC, whether they say so or not."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=UTC)


def nova_name(name: str) -> str:
    """The name as Nova can keep it: 255 characters of the basic plane (its API refuses others), no blanks at the ends."""
    plain = "".join("\ufffd" if ord(character) > _BASIC_PLANE else character for character in name)
    return plain[:_NAME_MAX_CHARACTERS].strip() or "-"


def name_metadata(name: str) -> dict[str, str]:
    """The metadata that keeps a name which Nova cannot, in ASCII; none where that is not needed."""
    whole = name.encode("unicode_escape").decode("ascii")
    return {NAME: whole} if nova_name(name) != name and len(whole) <= _NAME_MAX_CHARACTERS else {}


def read_name(given: str, metadata: Mapping[str, str]) -> str:
    """The name that was asked for, unless somebody has renamed the server in the cloud since."""
    try:
        whole = metadata.get(NAME, "").encode("ascii").decode("unicode_escape")
    except UnicodeError:
        return given
    return whole if whole and nova_name(whole) == given else given
