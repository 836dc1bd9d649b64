"""What goes on inside a real desktop, by its guest agent."""

from tests.support.running import Running
from tests.support.waiting import eventually

from yunzhuo.phoenix import cloud as clouds


def mounted(yunzhuo: Running, desktop_id: str) -> None:
    """Until the desktop has its person's disk."""

    def is_mounted() -> bool:
        return inside(yunzhuo, desktop_id, "/etc/desktop/personal usage") != ""

    eventually(is_mounted, 60, what="the personal disk")


def as_person(yunzhuo: Running, desktop_id: str, command: str) -> str:
    """What a shell of the person in the desktop says."""
    return inside(yunzhuo, desktop_id, f"/etc/desktop/as-user /bin/sh -c '{command}'")


def inside(yunzhuo: Running, desktop_id: str, command: str) -> str:
    """What a shell in the desktop says, as root."""
    cloud = clouds.connect(yunzhuo.settings())
    try:
        server = cloud.servers.find(desktop_id)
        assert server is not None
        return cloud.guest.run(server.id, ["/bin/sh", "-c", command], timeout_seconds=60).stdout.decode().strip()
    finally:
        cloud.close()
