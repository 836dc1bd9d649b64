"""What driver and host process say to each other: JSON over HTTP on a unix socket, one definition for both ends."""

import base64
import re
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, TypeAdapter

from yunzhuo.phoenix.cloud.resources import (
    CommandResult,
    Console,
    FilePiece,
    Flavor,
    GuestFile,
    Host,
    Image,
    Network,
    RebootKind,
    Screenshot,
    Server,
    ServerRequest,
    Snapshot,
    Volume,
    VolumeRequest,
    VolumeSnapshot,
)

Resource = TypeVar("Resource")
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_CODED = "~"


def to_segment(text: str) -> str:
    """An id as one piece of an address, whatever it is made of: an id that nobody has must be told apart, too."""
    return text if _PLAIN.fullmatch(text) else f"{_CODED}{text.encode('utf-8', 'surrogatepass').hex()}"


def from_segment(segment: str) -> str:
    """The id that :func:`to_segment` made the piece from. Raises ValueError."""
    if not segment.startswith(_CODED):
        return segment
    return bytes.fromhex(segment.removeprefix(_CODED)).decode("utf-8", "surrogatepass")


def _decode(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise ValueError("not base64 text")
    return base64.b64decode(value, validate=True)


Base64Bytes = Annotated[
    bytes, PlainValidator(_decode), PlainSerializer(lambda value: base64.b64encode(value).decode(), return_type=str)
]


class Message(BaseModel):
    """A request's or an answer's body."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rename(Message):
    name: str


class Start(Message):
    language: str | None = None


class Reboot(Message):
    kind: RebootKind
    language: str | None = None


class Rebuild(Message):
    image_id: str
    language: str | None = None


class Resize(Message):
    flavor_id: str


class TakeSnapshot(Message):
    name: str


class Attach(Message):
    server_id: str


class Detach(Message):
    server_id: str
    force: bool


class Run(Message):
    argv: tuple[str, ...] = Field(min_length=1)
    stdin: Base64Bytes = b""
    timeout_seconds: float = Field(gt=0, le=3600)


class RunEnded(Message):
    exit_code: int
    stdout: Base64Bytes
    stderr: Base64Bytes


class Text(Message):
    text: str


class Answer(Message):
    """A plain yes or no."""

    value: bool


class Seconds(Message):
    """A length of time."""

    value: float


class StoppedAll(Message):
    count: int


class Problem(Message):
    """A refused or failed call. ``kind`` is the branch of the error tree, for codes the other end does not know."""

    code: str
    kind: str
    message: str
    details: Mapping[str, Any] = Field(default_factory=dict)


SERVER = TypeAdapter(Server)
SERVERS = TypeAdapter(tuple[Server, ...])
SERVER_REQUEST = TypeAdapter(ServerRequest)
SNAPSHOT = TypeAdapter(Snapshot)
SNAPSHOTS = TypeAdapter(tuple[Snapshot, ...])
VOLUME = TypeAdapter(Volume)
VOLUMES = TypeAdapter(tuple[Volume, ...])
VOLUME_REQUEST = TypeAdapter(VolumeRequest)
VOLUME_SNAPSHOT = TypeAdapter(VolumeSnapshot)
VOLUME_SNAPSHOTS = TypeAdapter(tuple[VolumeSnapshot, ...])
CONSOLE = TypeAdapter(Console)
FLAVORS = TypeAdapter(tuple[Flavor, ...])
FLAVOR = TypeAdapter(Flavor)
IMAGES = TypeAdapter(tuple[Image, ...])
IMAGE = TypeAdapter(Image)
NETWORKS = TypeAdapter(tuple[Network, ...])
HOSTS = TypeAdapter(tuple[Host, ...])
GUEST_FILES = TypeAdapter(tuple[GuestFile, ...])
_SIZE = struct.Struct("!Q")
_SECONDS = struct.Struct("!d")


def command_result(ended: RunEnded) -> CommandResult:
    """As the cloud interface has it."""
    return CommandResult(ended.exit_code, ended.stdout, ended.stderr)


def pack_piece(piece: FilePiece) -> bytes:
    """A piece as an answer's body: the whole file's size in eight bytes, then the piece as it is."""
    return _SIZE.pack(piece.size_bytes) + piece.content


def unpack_piece(body: bytes) -> FilePiece:
    """What :func:`pack_piece` packed."""
    return FilePiece(body[_SIZE.size :], _SIZE.unpack_from(body)[0])


def pack_screenshot(screenshot: Screenshot) -> bytes:
    """A screenshot as an answer's body: when it was taken, in seconds since 1970 in eight bytes, then the picture."""
    return _SECONDS.pack(screenshot.taken_at.timestamp()) + screenshot.content


def unpack_screenshot(body: bytes) -> Screenshot:
    """What :func:`pack_screenshot` packed."""
    taken_at = datetime.fromtimestamp(_SECONDS.unpack_from(body)[0], UTC)
    return Screenshot(body[_SECONDS.size :], taken_at)
