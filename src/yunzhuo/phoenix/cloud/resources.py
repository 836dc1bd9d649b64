"""What a cloud holds, as frozen values. Sizes are MiB, times aware UTC, ids the cloud's own (opaque text)."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from yunzhuo.phoenix.common.errors import InvalidInput


class ServerStatus(StrEnum):
    """What the cloud says of a server; the small set that every cloud can be mapped to.

    ``RESCUED``: another system runs in it, to repair its own. A paused server is ``SUSPENDED``, a shelved one ``STOPPED``.
    """

    BUILDING = "building"
    RUNNING = "running"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    RESCUED = "rescued"
    ERROR = "error"
    UNKNOWN = "unknown"


class ConsoleProtocol(StrEnum):
    """How a screen can be carried."""

    VNC = "vnc"
    SPICE = "spice"
    RDP = "rdp"


class RebootKind(StrEnum):
    """Soft asks the guest's system to restart; hard pulls the plug."""

    SOFT = "soft"
    HARD = "hard"


@dataclass(frozen=True, slots=True)
class Flavor:
    """A size that servers can have."""

    id: str
    name: str
    vcpus: int
    memory_mib: int
    disk_mib: int


@dataclass(frozen=True, slots=True)
class Image:
    """A disk that servers start from. ``is_default`` marks the one offered first."""

    id: str
    name: str
    version: str
    size_mib: int
    min_memory_mib: int
    min_disk_mib: int
    is_default: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Network:
    """A network that servers can be put on."""

    id: str
    name: str
    reaches_internet: bool


@dataclass(frozen=True, slots=True)
class Host:
    """A hypervisor and what is left on it. ``disk_mib`` 0: the cloud does not say how large it is.

    ``is_enabled``: new servers may come. ``is_up``: it was heard of lately. ``is_forced_down``: somebody has said that it is
    down, whatever is heard. ``zone`` is its availability zone, ``aggregates`` the groups of hosts that it is in.
    """

    id: str
    name: str
    accelerator: str
    vcpus: int
    memory_mib: int
    memory_free_mib: int
    disk_free_mib: int
    servers: int
    problems: tuple[str, ...] = ()
    disk_mib: int = 0
    is_enabled: bool = True
    is_up: bool = True
    is_forced_down: bool = False
    zone: str = ""
    aggregates: tuple[str, ...] = ()

    @property
    def takes_servers(self) -> bool:
        """Whether new servers may come and something would make them."""
        return self.is_enabled and self.is_up and not self.is_forced_down and not self.problems

    @property
    def kind(self) -> tuple[str, tuple[str, ...]]:
        """What hosts have in common that the same servers may be put on, as far as that is told."""
        return (self.zone, self.aggregates)


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that new servers need by the settings, and that the cloud has not: what servers are refused with."""

    code: str
    message: str

    @classmethod
    def of(cls, refusal: InvalidInput) -> Self:
        """What this refusal says."""
        return cls(refusal.code, refusal.message)


@dataclass(frozen=True, slots=True)
class Address:
    """An address that a server can be reached at."""

    network: str
    address: str
    is_floating: bool = False


@dataclass(frozen=True, slots=True)
class FloatingIp:
    """An address of ours on an external network. ``address_id`` is our tag; ``server_id`` is where it leads, None: nowhere."""

    id: str
    address_id: str
    address: str
    network_id: str
    server_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Port:
    """A server's place on a network, as the cloud made it for ``server_id``, whether that server is there or not.

    ``is_up`` False: the network says that nothing goes through it. Some networks never say otherwise; so it explains what goes
    wrong, and proves nothing of what goes well.
    """

    id: str
    server_id: str
    address: str
    created_at: datetime
    is_up: bool = True


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """What is needed to make a server.

    ``desktop_id`` is our tag: the cloud stores it with the server, and a second request with the same tag answers with
    the server that is there already. ``hostname`` is what the machine calls itself (RFC 1123 label).
    ``language`` is what its person reads (``en``, ``zh_CN``); where the image does not speak it, it begins in the cloud's own.
    ``user_data`` is what its first boot is told (text for cloud-init, with a key in it), where the cloud has such a way.

    ``avoid_hosts`` (``Server.host`` of earlier ones) is where it should not be put: a wish, not a law. ``given_up`` are servers
    with this tag that were deleted and may be there for a while still: they count as gone. ``is_absent``: the caller knows
    that nothing has the tag, and the driver need not look before it asks.
    ``project_id`` is the project that it is made in; None: the one that all share. Network and security groups are those of the
    shared project; in another one what is shared with it is meant, or has the same name there.
    ``security_group_ids`` are the groups that it is put in; none: those that the cloud puts servers in by itself.
    """

    desktop_id: str
    name: str
    hostname: str
    image_id: str
    flavor_id: str
    network_id: str | None = None
    security_group_ids: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    language: str | None = None
    user_data: str | None = field(default=None, repr=False)
    avoid_hosts: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    is_absent: bool = False
    project_id: str | None = None


class FaultCode(StrEnum):
    """What a server has lost."""

    MEMORY_LOST = "memory_lost"
    """It was suspended, and what ran in it cannot be brought back: the cloud's software or its machine has changed since."""
    ONLY_DISK = "only_disk"
    """It was rolled back, and only its disk could be: the cloud's software or its machine has changed since the snapshot."""


@dataclass(frozen=True, slots=True)
class Server:
    """A virtual machine of ours as the cloud saw it at ``observed_at``. ``fault`` is the cloud's own reason for ERROR;
    None: it says none, or not yet (some say it a moment later).

    In another status it says that something of the server was lost, and ``fault_code`` what.

    ``is_locked``: nobody changes it until it is unlocked.

    ``language`` is what its sessions begin in; None: whatever its image speaks. ``request_id`` is the cloud's id of the request
    that asked for it, for whoever asks the cloud's own people; only ``create`` tells it, where the cloud has such ids.
    """

    id: str
    desktop_id: str
    name: str
    status: ServerStatus
    image_id: str
    flavor_id: str
    host: str
    created_at: datetime
    observed_at: datetime
    addresses: tuple[Address, ...] = ()
    fault: str | None = None
    fault_code: FaultCode | None = None
    language: str | None = None
    is_locked: bool = False
    request_id: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A named state of a server that it can be rolled back to."""

    id: str
    server_id: str
    name: str
    created_at: datetime
    size_mib: int
    has_memory: bool


class VolumeStatus(StrEnum):
    """Whether a volume can be attached: it is free, attached, on its way to one of these, or broken."""

    AVAILABLE = "available"
    IN_USE = "in_use"
    CHANGING = "changing"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class VolumeRequest:
    """What is needed to make a volume. ``disk_id`` is our tag, as ``ServerRequest.desktop_id`` is a server's."""

    disk_id: str
    name: str
    size_mib: int
    project_id: str | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    """A disk of ours that outlives servers. ``server_id`` is where it is attached, or on its way to or from."""

    id: str
    disk_id: str
    name: str
    size_mib: int
    status: VolumeStatus
    server_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class VolumeSnapshot:
    """A named state of a volume that it can be put back to. ``size_mib`` is the volume's at that time."""

    id: str
    volume_id: str
    name: str
    created_at: datetime
    size_mib: int


@dataclass(frozen=True, slots=True)
class Console:
    """Where a server's screen can be reached, for a gateway only: never shown to a person.

    Either ``unix_path`` or ``host`` and ``port`` is set. ``password`` is empty where the screen asks for none.
    """

    protocol: ConsoleProtocol
    password: str = field(repr=False, default="")
    unix_path: str | None = None
    host: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Screenshot:
    """A small picture of a server's screen (JPEG, see ``phoenix.common.pictures``), and when that looked so."""

    content: bytes = field(repr=False)
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class GuestFile:
    """A file of the person who works in a server."""

    name: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class FilePiece:
    """A part of a file, and how large the whole file was at that moment."""

    content: bytes = field(repr=False)
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command inside the guest ended."""

    exit_code: int
    stdout: bytes
    stderr: bytes
