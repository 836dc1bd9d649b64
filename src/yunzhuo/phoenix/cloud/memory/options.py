"""What a memory cloud is made of and how fast it is. Stored in its state file, so all its users see the same."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from yunzhuo.phoenix.cloud.resources import ConsoleProtocol


class _Part(BaseModel):
    """Frozen, and a name it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FlavorOption(_Part):
    """A size that the cloud offers."""

    id: str
    name: str
    vcpus: int = Field(ge=1)
    memory_mib: int = Field(ge=1)
    disk_mib: int = Field(ge=1)


class ImageOption(_Part):
    """A disk that servers start from. ``prepared_after_seconds`` counts from the making of the cloud."""

    id: str
    name: str
    version: str = "1"
    size_mib: int = 700
    min_memory_mib: int = 256
    min_disk_mib: int = 2048
    created_at: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    prepared_after_seconds: float = Field(0, ge=0)


class NetworkOption(_Part):
    """A network; servers get addresses ``address_prefix`` + two numbers, as ``10.64.`` gives 10.64.0.5."""

    id: str
    name: str
    reaches_internet: bool = True
    address_prefix: str = Field("10.64.", pattern=r"^\d{1,3}\.\d{1,3}\.$")


class HostOption(_Part):
    """A hypervisor and its room. One with ``problems``, or that is not ``is_up``, gets no new servers."""

    id: str
    name: str
    vcpus: int = Field(2048, ge=0)
    memory_mib: int = Field(1024 * 1024, ge=0)
    disk_mib: int = Field(64 * 1024 * 1024, ge=0)
    problems: tuple[str, ...] = ()
    is_up: bool = True
    zone: str = "memory"
    aggregates: tuple[str, ...] = ()


class Options(_Part):
    """Everything about a memory cloud that can be chosen, at its making or later.

    The ``*_seconds`` say how long a change takes from the moment it is accepted; ``ready_seconds`` is how long a guest takes
    from the server's running to its being usable. ``seed`` decides everything random: the same seed and the same calls
    give the same ids, addresses and faults; None draws one when the cloud is made. The ``console_*`` are the answer of
    ``servers.console`` for all servers; an empty password means one for each server's boot.
    """

    seed: int | None = None

    build_seconds: float = Field(0.2, ge=0)
    ready_seconds: float = Field(0.1, ge=0)
    start_seconds: float = Field(0.1, ge=0)
    stop_seconds: float = Field(0.1, ge=0)
    reboot_seconds: float = Field(0.1, ge=0)
    suspend_seconds: float = Field(0.05, ge=0)
    resume_seconds: float = Field(0.05, ge=0)
    rebuild_seconds: float = Field(0.2, ge=0)
    resize_seconds: float = Field(0.2, ge=0)
    snapshot_seconds: float = Field(0.05, ge=0)
    roll_back_seconds: float = Field(0.05, ge=0)
    delete_seconds: float = Field(0.05, ge=0)

    guests_get_ready: bool = True
    has_guest_calls: bool = Field(True, description="False: no way into servers but to see whether they are ready (OpenStack).")
    missing_key_pair: str = Field(
        "", description="Key pair that new servers need and that is not there; empty: they need none."
    )
    tells_of_changes: bool = Field(False, description="Whether it tells of changes to servers by itself.")
    floating_ips: int = Field(50_000, ge=0, le=50_000, description="How many addresses an external network has.")
    calls_kept: int = Field(10_000, ge=1)

    console_protocols: tuple[ConsoleProtocol, ...] = (ConsoleProtocol.VNC, ConsoleProtocol.SPICE, ConsoleProtocol.RDP)
    console_host: str = "127.0.0.1"
    console_port: int = Field(1, ge=1, le=65535)
    console_unix_path: str = Field("", description="When set, the answer instead of host and port.")
    console_password: str = ""

    flavors: tuple[FlavorOption, ...] = (
        FlavorOption(id="small", name="Small", vcpus=1, memory_mib=512, disk_mib=4096),
        FlavorOption(id="medium", name="Medium", vcpus=2, memory_mib=1024, disk_mib=8192),
        FlavorOption(id="large", name="Large", vcpus=4, memory_mib=4096, disk_mib=32768),
    )
    images: tuple[ImageOption, ...] = (
        ImageOption(id="linux-desktop", name="Linux desktop"),
        ImageOption(id="big-desktop", name="Big desktop", size_mib=9000, min_memory_mib=4096, min_disk_mib=16384),
    )
    networks: tuple[NetworkOption, ...] = (
        NetworkOption(id="desktops", name="Desktops"),
        NetworkOption(id="closed", name="Closed", reaches_internet=False, address_prefix="10.65."),
    )
    external_networks: tuple[NetworkOption, ...] = (NetworkOption(id="public", name="Public", address_prefix="203.0."),)
    hosts: tuple[HostOption, ...] = (HostOption(id="host-1", name="memory-1"), HostOption(id="host-2", name="memory-2"))
