"""What a cloud can answer instead of a result.

Drivers translate their cloud's errors into these and keep the cloud's own request id in ``details["cloud_request_id"]``.
Refused errors are shown to people; broken ones are retried.
"""

from collections.abc import Sequence

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotFound, NotOffered, Unavailable


class ServerNotFound(NotFound):
    """No server of ours has this id."""

    def __init__(self, server_id: str) -> None:
        super().__init__("server_not_found", "The cloud has no such server.", server_id=server_id)


class ImageNotFound(NotFound):
    """No image has this id."""

    def __init__(self, image_id: str) -> None:
        super().__init__("image_not_found", "The cloud has no such image.", image_id=image_id)


class FlavorNotFound(NotFound):
    """No flavor has this id."""

    def __init__(self, flavor_id: str) -> None:
        super().__init__("flavor_not_found", "The cloud has no such flavor.", flavor_id=flavor_id)


class SnapshotNotFound(NotFound):
    """The server has no snapshot with this id."""

    def __init__(self, snapshot_id: str) -> None:
        super().__init__("snapshot_not_found", "The server has no such snapshot.", snapshot_id=snapshot_id)


class VolumeNotFound(NotFound):
    """No volume of ours has this id."""

    def __init__(self, volume_id: str) -> None:
        super().__init__("volume_not_found", "The cloud has no such volume.", volume_id=volume_id)


class VolumeSnapshotNotFound(NotFound):
    """The volume has no snapshot with this id."""

    def __init__(self, snapshot_id: str) -> None:
        super().__init__("volume_snapshot_not_found", "The volume has no such snapshot.", snapshot_id=snapshot_id)


class FloatingIpNotFound(NotFound):
    """No floating IP of ours has this id."""

    def __init__(self, ip_id: str) -> None:
        super().__init__("floating_ip_not_found", "The cloud has no such floating IP.", ip_id=ip_id)


class HostNotFound(NotFound):
    """No host has this id."""

    def __init__(self, host_id: str) -> None:
        super().__init__("host_not_found", "The cloud has no such host.", host_id=host_id)


class HostNotDown(Conflict):
    """The host may still run its servers: making them anew elsewhere could let two of each write to one disk."""

    def __init__(self, host_id: str) -> None:
        message = "The host is not proved to be down: it has to be silent, and to be forced down first."
        super().__init__("host_not_down", message, host_id=host_id)


class RouterNotFound(NotFound):
    """No router of ours has this id."""

    def __init__(self, router_id: str) -> None:
        super().__init__("router_not_found", "The cloud has no such router.", router_id=router_id)


class SecurityGroupNotFound(NotFound):
    """No security group of ours has this id."""

    def __init__(self, group_id: str) -> None:
        super().__init__("security_group_not_found", "The cloud has no such security group.", group_id=group_id)


class NetworkNotFound(NotFound):
    """No network, or no subnet, of ours has this id."""

    def __init__(self, network_id: str) -> None:
        super().__init__("network_not_found", "The cloud has no such network.", network_id=network_id)


class NetworkInUse(Conflict):
    """Something stands on the network, router or security group, and has to go first."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__("network_in_use", message, **details)


class ImageInUse(Conflict):
    """The image is protected, arriving, or something stands on it."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__("image_in_use", message, **details)


class ProjectNotFound(NotFound):
    """No project of ours has this id."""

    def __init__(self, project_id: str) -> None:
        super().__init__("project_not_found", "The cloud has no such project.", project_id=project_id)


class ProjectInUse(Conflict):
    """Something is in the project that has to go first."""

    def __init__(self, project_id: str, contents: Sequence[str]) -> None:
        message = f"The project is not empty, there are: {', '.join(contents)}."
        super().__init__("project_in_use", message, project_id=project_id, contents=list(contents))


class OtherProject(Conflict):
    """The two are in different projects, and cannot be joined."""

    def __init__(self, server_id: str) -> None:
        super().__init__("other_project", "The server is in another project of the cloud.", server_id=server_id)


class NoScreenshot(NotFound):
    """There is no picture of the server's screen."""

    def __init__(self, server_id: str) -> None:
        super().__init__("no_screenshot", "There is no picture of this screen.", server_id=server_id)


class ServerBusy(Conflict):
    """The server is in a state that does not allow this (or is still changing)."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__("server_busy", message, **details)


class ServerLocked(Conflict):
    """Somebody has locked the server: it is changed by nobody until it is unlocked, however long one waits."""

    def __init__(self, server_id: str) -> None:
        super().__init__("server_locked", "The server is locked; unlock it first.", server_id=server_id)


class ServerShelved(Conflict):
    """The server is shelved: it is nowhere, and can be started or deleted alone."""

    def __init__(self, server_id: str) -> None:
        super().__init__("server_shelved", "The server is shelved; start it first.", server_id=server_id)


class VolumeBusy(Conflict):
    """The volume is attached, or is changing, and this needs it not to be."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__("volume_busy", message, **details)


class FloatingIpBusy(Conflict):
    """The floating IP leads to another server, or the server has another one."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__("floating_ip_busy", message, **details)


class FloatingIpUnreachable(Conflict):
    """No router leads from the server's network to that of the floating IP."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__("floating_ip_unreachable", message, **details)


class VolumeInUse(Conflict):
    """Programs in the guest have files open on the volume. ``programs`` are their names, as the guest says them."""

    def __init__(self, volume_id: str, programs: Sequence[str]) -> None:
        who = ", ".join(programs) or "a program"
        message = f"Files on the disk are open in the desktop ({who}); close them first."
        super().__init__("volume_in_use", message, volume_id=volume_id, programs=list(programs))


class NoCapacity(LimitReached):
    """No host has room for it now (memory, disk, cores), or the cloud's quota is used up."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__("no_capacity", message, **details)


class NoKeyPair(InvalidInput):
    """The key pair that the settings give new servers is not there."""

    def __init__(self, name: str) -> None:
        message = f"Our account has no key pair {name!r} in the cloud ([openstack] key_name)."
        super().__init__(message, code="no_key_pair")


class GuestUnreachable(Unavailable):
    """The machine runs, and nothing inside it answers (yet)."""

    def __init__(self, server_id: str) -> None:
        super().__init__("guest_unreachable", "The desktop's own agent does not answer.", server_id=server_id)


class CloudUnavailable(Unavailable):
    """The cloud cannot be reached, did not answer in time, or answered with a failure of its own."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__("cloud_unavailable", message, **details)


class CloudNotOffered(NotOffered):
    """This driver does not have the operation."""

    def __init__(self, what: str) -> None:
        super().__init__("not_offered_by_cloud", f"This cloud does not offer {what}.", what=what)
