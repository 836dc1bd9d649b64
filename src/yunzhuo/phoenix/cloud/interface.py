"""The cloud as Yunzhuo sees it: one small Protocol per resource, with its promises.

Every driver is held to the same contract suite (``tests/drivers``). Promises common to all:

* Calls return within the driver's time limit or raise :class:`~yunzhuo.phoenix.cloud.errors.CloudUnavailable`; after that
  error the change may or may not have happened, so whoever retries looks first.
* A verb that changes a server (start, stop, ...) returns when the cloud has accepted it; the effect is observed with
  ``get``. Asking for what already is (start a running server) is accepted and changes nothing.
* What a cloud does not have raises :class:`~yunzhuo.phoenix.cloud.errors.CloudNotOffered`.
* Objects of a driver may be used by several threads at once.
"""

from collections.abc import Sequence
from typing import Protocol

from yunzhuo.phoenix.cloud.resources import (
    CommandResult,
    Console,
    ConsoleProtocol,
    Flavor,
    Host,
    Image,
    Network,
    RebootKind,
    Server,
    ServerRequest,
    Snapshot,
)


class Servers(Protocol):
    """Virtual machines that carry our tag; servers of others are never listed, returned or touched."""

    def create(self, request: ServerRequest) -> Server:
        """Make a server, or return the one that already carries ``request.desktop_id``.

        Raises ImageNotFound, FlavorNotFound, NoCapacity. A refused create leaves nothing behind.
        """
        ...

    def find(self, desktop_id: str) -> Server | None:
        """The server tagged with ``desktop_id``, or None. Looked up before every create."""
        ...

    def get(self, server_id: str) -> Server:
        """The server as it is now. Raises ServerNotFound."""
        ...

    def list(self) -> Sequence[Server]:
        """All servers of ours, in one call."""
        ...

    def start(self, server_id: str) -> None:
        """Switch on."""
        ...

    def stop(self, server_id: str) -> None:
        """Ask the guest to shut down; the cloud pulls the plug when it does not."""
        ...

    def reboot(self, server_id: str, kind: RebootKind) -> None:
        """Restart; a stopped server raises ServerBusy."""
        ...

    def suspend(self, server_id: str) -> None:
        """Put memory to disk and free the host's memory."""
        ...

    def resume(self, server_id: str) -> None:
        """Go on where ``suspend`` stopped."""
        ...

    def rebuild(self, server_id: str, image_id: str) -> None:
        """Put back to the image; the server keeps its id and tag, and loses its disk."""
        ...

    def resize(self, server_id: str, flavor_id: str) -> None:
        """Change the flavor; the disk stays. A running server is restarted."""
        ...

    def rename(self, server_id: str, name: str) -> None:
        """Change the name shown in the cloud."""
        ...

    def snapshot(self, server_id: str, name: str) -> Snapshot:
        """Keep the present state under a name."""
        ...

    def snapshots(self, server_id: str) -> Sequence[Snapshot]:
        """The server's snapshots, oldest first."""
        ...

    def roll_back(self, server_id: str, snapshot_id: str) -> None:
        """Return to a snapshot. Raises SnapshotNotFound."""
        ...

    def delete_snapshot(self, server_id: str, snapshot_id: str) -> None:
        """Forget a snapshot; one that is not there is no error."""
        ...

    def delete(self, server_id: str) -> None:
        """Remove the server and all that is its own; one that is not there is no error."""
        ...

    def console(self, server_id: str, protocol: ConsoleProtocol) -> Console:
        """Where the screen is. Raises ServerBusy when the server does not run."""
        ...


class Flavors(Protocol):
    """Sizes, smallest first."""

    def list(self) -> Sequence[Flavor]: ...

    def get(self, flavor_id: str) -> Flavor:
        """Raises FlavorNotFound."""
        ...


class Images(Protocol):
    """Disks to start from, the default one first."""

    def list(self) -> Sequence[Image]: ...

    def get(self, image_id: str) -> Image:
        """Raises ImageNotFound."""
        ...

    def is_prepared(self, image_id: str, flavor_id: str) -> bool:
        """Whether a server of this image and flavor would start at once (a golden stands).

        Clouds that prepare nothing answer True.
        """
        ...


class Networks(Protocol):
    """Networks that servers can be put on."""

    def list(self) -> Sequence[Network]: ...


class Hosts(Protocol):
    """The hypervisors, as far as this cloud lets us see them."""

    def list(self) -> Sequence[Host]: ...


class Guest(Protocol):
    """What can be asked of the system inside a running server. All raise GuestUnreachable when nothing answers."""

    def ready(self, server_id: str) -> bool:
        """Whether a person could work in it now: its screen is up and its identity is its own. Never blocks long."""
        ...

    def run(self, server_id: str, argv: Sequence[str], *, input: bytes = b"", timeout_seconds: float = 10) -> CommandResult:
        """Run a command as root inside the guest and wait for its end. At most 1 MiB of each output is kept."""
        ...

    def write_file(self, server_id: str, path: str, content: bytes) -> None:
        """Put a file into the guest."""
        ...

    def read_file(self, server_id: str, path: str, *, max_bytes: int) -> bytes:
        """Get a file out of the guest. Raises InvalidInput when it is larger, NotFound when it is not there."""
        ...

    def get_clipboard(self, server_id: str) -> str:
        """The desktop's clipboard as text; empty when there is none."""
        ...

    def set_clipboard(self, server_id: str, text: str) -> None:
        """Put text into the desktop's clipboard."""
        ...

    def message(self, server_id: str, text: str) -> None:
        """Show a message on the desktop's screen."""
        ...


class Cloud(Protocol):
    """One cloud, by resource. ``check`` raises what a person has to know when the cloud cannot be used now."""

    @property
    def servers(self) -> Servers: ...
    @property
    def flavors(self) -> Flavors: ...
    @property
    def images(self) -> Images: ...
    @property
    def networks(self) -> Networks: ...
    @property
    def hosts(self) -> Hosts: ...
    @property
    def guest(self) -> Guest: ...

    def check(self) -> None:
        """Raises CloudUnavailable when the cloud does not answer."""
        ...

    def close(self) -> None:
        """Give back connections. Nothing in the cloud changes."""
        ...
