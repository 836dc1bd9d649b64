"""A person with files on a personal disk, in a desktop of the memory cloud."""

from tests.support.installation import Installation

from yunzhuo.services.access import Actor
from yunzhuo.services.desktop_views import DesktopView
from yunzhuo.services.personal_disks import DiskView
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.services.rules.personal_disks import DiskState

NOTE = "Personal/note.txt"
OPEN = "Personal/.open"


def server_of(yunzhuo: Installation, desktop_id: str) -> str:
    found = yunzhuo.cloud.servers.find(desktop_id)
    assert found is not None
    return found.id


def write(yunzhuo: Installation, desktop_id: str, content: bytes, path: str = NOTE) -> None:
    yunzhuo.cloud.guest.write_piece(server_of(yunzhuo, desktop_id), path, content, offset=0)


def read(yunzhuo: Installation, desktop_id: str) -> bytes:
    return yunzhuo.cloud.guest.read_piece(server_of(yunzhuo, desktop_id), NOTE, offset=0, max_bytes=100).content


def place(disk: DiskView) -> tuple[DiskState, str | None]:
    return disk.state, disk.desktop.id if disk.desktop else None


def with_disk(yunzhuo: Installation, actor: Actor) -> str:
    """A desktop that has the person's disk with a note on it; answers its id."""
    yunzhuo.services.personal_disks.create(actor)
    desktop_id = yunzhuo.available(actor)
    write(yunzhuo, desktop_id, b"mine")
    return desktop_id


def act(yunzhuo: Installation, actor: Actor, desktop_id: str, action: Action) -> DesktopView:
    yunzhuo.services.desktops.act(actor, desktop_id, action)
    yunzhuo.run()
    return yunzhuo.services.desktops.get(actor, desktop_id)


def volume_holder(yunzhuo: Installation) -> str | None:
    (volume,) = yunzhuo.cloud.volumes.list()
    return volume.server_id
