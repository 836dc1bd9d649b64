"""Where the host keeps what: one folder tree that can be moved as a whole, because paths inside it are relative."""

from dataclasses import dataclass
from pathlib import Path

from yunzhuo.host.privileges import QemuAccount

# QEMU's working directory is its own folder, two levels below the root; it reaches its parents by these names.
ROOT_FROM_MACHINE = "../.."

RECORD_NAME = "server.json"
VOLUME_RECORD_NAME = "volume.json"
SECRETS_NAME = "secrets.json"
DISK_NAME = "disk.qcow2"
MEMORY_NAME = "suspended.state"
PICTURE_NAME = "screen.jpg"
SCREEN_FOLDER = "screen"
VNC_SOCKET = f"{SCREEN_FOLDER}/vnc.sock"
SPICE_SOCKET = f"{SCREEN_FOLDER}/spice.sock"
LOG_NAME = "qemu.log"

GONE_PREFIX = ".gone-"
BUILDING_PREFIX = ".building-"
PROBE_NAME = ".probe"


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders below ``root`` (``settings.host_dir``)."""

    root: Path

    @property
    def images(self) -> Path:
        """One folder an image."""
        return self.root / "images"

    @property
    def goldens(self) -> Path:
        """One folder a golden, named by its key; those being built start with a dot."""
        return self.root / "goldens"

    @property
    def desktops(self) -> Path:
        """One folder a server, named by its id."""
        return self.root / "desktops"

    @property
    def volumes(self) -> Path:
        """One folder a volume, named by its id."""
        return self.root / "volumes"

    @property
    def network(self) -> Path:
        """Working directory of the processes that hold the guests' network."""
        return self.root / "network"

    @property
    def accelerator_memory(self) -> Path:
        """The file that remembers whether KVM proved itself."""
        return self.root / "accelerator.json"

    def server(self, server_id: str) -> Path:
        """The folder of one server."""
        return self.desktops / server_id

    def make(self, account: QemuAccount) -> None:
        """Make what is missing. QEMU's user may pass through these folders, and list none of them."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self.root, self.images, self.goldens, self.desktops, self.volumes, self.network):
            folder.mkdir(exist_ok=True)
            account.let_pass(folder)
