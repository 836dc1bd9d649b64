"""The cloud as Yunzhuo sees it: one small Protocol per resource, with its promises.

Every driver is held to the same contract suite (``tests/drivers``). Promises common to all:

* Calls return within the driver's time limit or raise :class:`~yunzhuo.phoenix.cloud.errors.CloudUnavailable`; after that
  error the change may or may not have happened, so whoever retries looks first.
* A verb that changes a server (start, stop, delete, ...) returns when the cloud has accepted it; the effect is observed with
  ``get``. Until then ``get`` answers the status from before, or BUILDING where the disk is being made anew. Asking for what
  already is or is on its way (start a running server) is accepted and changes nothing; any other verb on a server that is
  still changing raises :class:`~yunzhuo.phoenix.cloud.errors.ServerBusy`, except ``delete`` and ``rename``.
* A locked server refuses every change with :class:`~yunzhuo.phoenix.cloud.errors.ServerLocked`, except ``rename`` and
  ``care.unlock``; a shelved one all but ``start`` and ``delete`` with :class:`~yunzhuo.phoenix.cloud.errors.ServerShelved`.
* An id that the cloud does not know, whatever its form, raises the NotFound error of its kind: ServerNotFound for every
  ``server_id`` (but ``delete`` and ``delete_snapshot`` are content), ImageNotFound, FlavorNotFound, SnapshotNotFound,
  VolumeNotFound, VolumeSnapshotNotFound, FloatingIpNotFound, HostNotFound, NetworkNotFound, RouterNotFound,
  SecurityGroupNotFound, ProjectNotFound.
* A refused call (any :class:`~yunzhuo.phoenix.common.errors.Refused`) has changed nothing.
* Results are frozen, hold aware UTC times, and do not change after they were returned.
* What a cloud does not have raises :class:`~yunzhuo.phoenix.cloud.errors.CloudNotOffered`.
* Objects of a driver may be used by several threads at once.
"""

from collections.abc import Sequence
from typing import Protocol

from yunzhuo.phoenix.cloud.care_interface import ServerCare
from yunzhuo.phoenix.cloud.host_interface import Hosts
from yunzhuo.phoenix.cloud.image_interface import Flavors, Images, ImageStore
from yunzhuo.phoenix.cloud.network_interface import Addresses, Networks, Routers, SecurityGroups
from yunzhuo.phoenix.cloud.notice_interface import Notices
from yunzhuo.phoenix.cloud.project_interface import Projects
from yunzhuo.phoenix.cloud.resources import (
    CommandResult,
    Console,
    ConsoleProtocol,
    FilePiece,
    GuestFile,
    Lack,
    RebootKind,
    Screenshot,
    Server,
    ServerRequest,
    Snapshot,
)
from yunzhuo.phoenix.cloud.volume_interface import Volumes

__all__ = [
    "PIECE_BYTES",
    "Addresses",
    "Cloud",
    "Flavors",
    "Guest",
    "Hosts",
    "ImageStore",
    "Images",
    "Networks",
    "Notices",
    "Projects",
    "Routers",
    "SecurityGroups",
    "ServerCare",
    "Servers",
    "Volumes",
]

#: The largest part of a file that is asked for or given at once.
PIECE_BYTES = 1024 * 1024


class Servers(Protocol):
    """Virtual machines that carry our tag; servers of others are never listed, returned or touched."""

    def create(self, request: ServerRequest) -> Server:
        """Make a server, or return the one that already carries ``request.desktop_id``.

        A server that is there already is returned as it is, whatever else the request says; so any number of threads and
        processes that ask for one tag at once get one server. ``network_id`` None means the first network of the list.
        ``avoid_hosts`` is kept to where the cloud lets us choose and has another host of the same kind; else the cloud chooses.
        Raises ImageNotFound, FlavorNotFound, NotFound (``network_not_found``), SecurityGroupNotFound, InvalidInput when the
        flavor is smaller than the image's minimum, NoCapacity, ProjectNotFound, CloudNotOffered for a ``project_id`` that is
        none and for security groups where there are none, and ServerBusy
        while a server with this tag is still being deleted that is not among ``given_up``. A refused create leaves nothing
        behind. What goes wrong after the create was accepted ends in status ERROR with a ``fault``.
        """
        ...

    def find(self, desktop_id: str, project_id: str | None = None) -> Server | None:
        """The server tagged with ``desktop_id`` in this project, or None. Looked up before every create.

        A server that is still being deleted is still found, unless another one has taken its place. Raises ProjectNotFound.
        """
        ...

    def get(self, server_id: str) -> Server:
        """The server as it is now. Raises ServerNotFound."""
        ...

    def list(self) -> Sequence[Server]:
        """All servers of ours, in one call, in no particular order."""
        ...

    def start(self, server_id: str, *, language: str | None = None) -> None:
        """Switch on. Raises NoCapacity, and ServerBusy when the server is suspended (see ``resume``) or in ERROR.

        Here, in ``reboot`` and in ``rebuild``, the session that begins speaks ``language``; None: as before.
        """
        ...

    def stop(self, server_id: str) -> None:
        """Ask the guest to shut down; the cloud pulls the plug when it does not. A suspended server raises ServerBusy."""
        ...

    def reboot(self, server_id: str, kind: RebootKind, *, language: str | None = None) -> None:
        """Restart; the status stays RUNNING, the guest is not ready until it has started again.

        A stopped or suspended server raises ServerBusy; one in ERROR can only be rebooted hard. Each call restarts: here
        asking twice is two reboots, and the second raises ServerBusy while the first goes on.
        """
        ...

    def suspend(self, server_id: str) -> None:
        """Put memory to disk and free the host's memory. Raises NoCapacity, and ServerBusy when the server does not run.

        This, ``snapshot`` and ``roll_back`` of a running server may raise ServerBusy while a volume is attached to it: memory
        that knows a volume's files must not meet another state of them.

        Memory that the cloud cannot go on from any more makes the server STOPPED, with the ``fault_code`` MEMORY_LOST.
        """
        ...

    def resume(self, server_id: str) -> None:
        """Go on where ``suspend`` stopped: no new boot. Raises NoCapacity, and ServerBusy when the server is stopped."""
        ...

    def rebuild(self, server_id: str, image_id: str, *, language: str | None = None, user_data: str | None = None) -> None:
        """Put back to the image; the server keeps its id, tag, name, flavor and addresses, and loses its disk.

        ``user_data`` takes the place of what it was told when it was made; None: the same again.

        It is BUILDING meanwhile and afterwards running or stopped as it was before (from ERROR: running). Whether its
        snapshots outlive it differs between clouds: ask ``snapshots``. Raises ImageNotFound, NoCapacity, InvalidInput when the
        flavor is smaller than the image's minimum, and ServerBusy when the server is suspended.
        """
        ...

    def resize(self, server_id: str, flavor_id: str) -> None:
        """Change the flavor; the disk stays. A running server is restarted, a stopped one stays stopped.

        Raises FlavorNotFound, NoCapacity, InvalidInput when the disk would shrink or the image's minimum would not be met,
        and ServerBusy when the server is suspended or in ERROR.
        """
        ...

    def rename(self, server_id: str, name: str) -> None:
        """Change the name shown in the cloud."""
        ...

    def snapshot(self, server_id: str, name: str) -> Snapshot:
        """Keep the present state under a name; ``has_memory`` says whether that includes what runs.

        Names need not be unique. The server is busy until the snapshot stands. Raises NoCapacity, and ServerBusy when the
        server is neither running nor stopped.
        """
        ...

    def snapshots(self, server_id: str) -> Sequence[Snapshot]:
        """The server's snapshots, oldest first."""
        ...

    def roll_back(self, server_id: str, snapshot_id: str) -> None:
        """Return to a snapshot; it stays, as do the others.

        With memory the server afterwards runs on from where the snapshot was taken; without, or where its memory fits the
        server no more (then with the ``fault_code`` ONLY_DISK), a running server is restarted and a stopped one stays stopped.
        Raises SnapshotNotFound, NoCapacity, and ServerBusy when the server is suspended.
        """
        ...

    def delete_snapshot(self, server_id: str, snapshot_id: str) -> None:
        """Forget a snapshot; one that is not there, or whose server is not there, is no error."""
        ...

    def delete(self, server_id: str) -> None:
        """Remove the server and all that is its own, in whatever state it is; one that is not there is no error.

        Accepted like every verb: ``get`` may answer for a moment longer, until it raises ServerNotFound.
        """
        ...

    def console(self, server_id: str, protocol: ConsoleProtocol) -> Console:
        """Where the screen is, now: ask again for every connection, an answer may hold for one boot only.

        Raises ServerBusy when the server is neither RUNNING nor RESCUED, CloudNotOffered for a protocol that the cloud does not
        carry.
        """
        ...

    def screenshot(self, server_id: str) -> Screenshot:
        """A small picture of the screen: of a running server as it is now, else as it was before it was switched off.

        Answers within a few seconds, and disturbs nobody. A suspended or stopped server's is from the moment before that;
        rebuild and roll back forget it. Raises NoScreenshot, and CloudUnavailable when the screen does not answer in time.
        """
        ...

    def cpu_seconds(self, server_id: str) -> float:
        """How long all its processors together were busy since it was switched on: two answers tell a load.

        Raises ServerBusy when the server does not run, CloudNotOffered where the cloud does not tell.
        """
        ...


class Guest(Protocol):
    """What can be asked of the system inside a running server.

    All but ``ready`` raise GuestUnreachable when nothing answers, be it that the server does not run.

    From ``list_files`` to ``delete_file`` it is the person who works in the server who asks, never the system: what they
    may not read stays unread, and what is written is theirs. Paths there begin in the person's home folder; one that is
    absolute, empty or climbs (``..``) raises InvalidInput. A file travels in pieces of at most :data:`PIECE_BYTES`, so that
    nobody on its way ever holds more of it.
    """

    def ready(self, server_id: str) -> bool:
        """Whether a person could work in it now: its screen is up and its identity is its own. Never blocks long.

        False while nothing answers, whatever the server's status.
        """
        ...

    def run(self, server_id: str, argv: Sequence[str], *, input: bytes = b"", timeout_seconds: float = 10) -> CommandResult:
        """Run a command as root inside the guest and wait for its end. At most 1 MiB of each output is kept.

        ``argv`` is not read by a shell. A command that is not there ends with exit code 127. One that has not ended within
        ``timeout_seconds`` raises CloudUnavailable and may go on.
        """
        ...

    def write_file(self, server_id: str, path: str, content: bytes) -> None:
        """Put a file into the guest, in the place of one that is there.

        ``path`` is absolute, else InvalidInput; its folder must be there, else NotFound.
        """
        ...

    def read_file(self, server_id: str, path: str, *, max_bytes: int) -> bytes:
        """Get a file out of the guest, whole.

        Raises InvalidInput when it is larger than ``max_bytes`` or ``path`` is not absolute, NotFound when it is not there.
        """
        ...

    def list_files(self, server_id: str, folder: str) -> Sequence[GuestFile]:
        """The plain files in a folder, by name; hidden ones are left out. A folder that is not there has none."""
        ...

    def write_piece(self, server_id: str, path: str, content: bytes, *, offset: int) -> None:
        """Put a piece behind the first ``offset`` bytes of a file, and cut off what was there: twice is harmless.

        At 0 the file is made, and its folder, too. Raises InvalidInput (``file_out_of_step``) when the file holds less than
        ``offset`` bytes or the piece is too large, NotFound when it is not there, LimitReached when the disk is full.
        """
        ...

    def read_piece(self, server_id: str, path: str, *, offset: int, max_bytes: int) -> FilePiece:
        """The piece of a file that begins at ``offset``; it is shorter than ``max_bytes`` only at the file's end.

        Raises NotFound, and InvalidInput when more than a piece is asked for.
        """
        ...

    def move_file(self, server_id: str, path: str, new_path: str) -> None:
        """Give a file another path, in the place of one that is there. Raises NotFound."""
        ...

    def delete_file(self, server_id: str, path: str) -> None:
        """Remove a file; one that is not there is no error."""
        ...

    def get_clipboard(self, server_id: str) -> str:
        """The desktop's clipboard as text; empty when there is none."""
        ...

    def set_clipboard(self, server_id: str, text: str) -> None:
        """Put text into the desktop's clipboard; empty text empties it."""
        ...

    def message(self, server_id: str, text: str) -> None:
        """Show a message on the desktop's screen."""
        ...


class Cloud(Protocol):
    """One cloud, by resource. ``check`` raises what a person has to know when the cloud cannot be used now."""

    @property
    def servers(self) -> Servers: ...
    @property
    def care(self) -> ServerCare: ...
    @property
    def volumes(self) -> Volumes: ...
    @property
    def addresses(self) -> Addresses: ...
    @property
    def flavors(self) -> Flavors: ...
    @property
    def images(self) -> Images: ...
    @property
    def image_store(self) -> ImageStore: ...
    @property
    def networks(self) -> Networks: ...
    @property
    def routers(self) -> Routers: ...
    @property
    def security_groups(self) -> SecurityGroups: ...
    @property
    def hosts(self) -> Hosts: ...
    @property
    def guest(self) -> Guest: ...
    @property
    def projects(self) -> Projects: ...
    @property
    def notices(self) -> Notices: ...

    def check(self) -> None:
        """Raises CloudUnavailable when the cloud does not answer."""
        ...

    def lacks(self) -> Sequence[Lack]:
        """What new servers need by the settings, and is not there: they are refused, and all else works.

        Raises CloudUnavailable.
        """
        ...

    def close(self) -> None:
        """Give back connections; may be called twice. Nothing in the cloud changes. The object is not used afterwards."""
        ...
