"""Goldens: machines booted once to a ready desktop and frozen, from which clones start at once.

A golden's memory is given to clones as a sealed memfd: each maps it privately, and QEMU (which insists on opening it for
writing) can change nothing in it, so one desktop cannot poison the next.
"""

import asyncio
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from yunzhuo.host.accelerator import host_cpu
from yunzhuo.host.argv import Accelerator, Hardware, hardware_args
from yunzhuo.host.images import StoredImage
from yunzhuo.host.layout import BUILDING_PREFIX, DISK_NAME
from yunzhuo.host.sparse import copy_data
from yunzhuo.phoenix.common.logging import get_logger

MANIFEST_NAME, RAM_NAME, STATE_NAME, OVERLAY_NAME = "golden.json", "ram", "state", "overlay.qcow2"
_FORMAT = 3
_SEALED = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

logger = get_logger()


class GoldenManifest(BaseModel):
    """``golden.json``; written last, so a golden without it is not there yet.

    ``sizes`` are of its files, bytes; ``awaits_identity`` says that a program waits in it for the clone's identity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = _FORMAT
    key: str
    name: str
    image_id: str
    flavor_id: str
    language: str | None
    memory_mib: int
    awaits_identity: bool
    qemu_version: str
    created_at: AwareDatetime
    build_seconds: float
    sizes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Golden:
    """One that stands. ``key`` says what it fits, ``name`` (its folder's) which build it is.

    Two builds with one key have different disks, and desktops stand on the one they were cloned from: so a build is never
    put in another's place.
    """

    folder: Path
    manifest: GoldenManifest

    @property
    def key(self) -> str:
        return self.manifest.key

    @property
    def name(self) -> str:
        return self.manifest.name


def golden_key(
    flavor_id: str, disk_mib: int, hardware: Hardware, image: StoredImage, language: str | None, qemu_version: str
) -> str:
    """What a golden fits, exactly: another image, language, QEMU, processor or machine has another key."""
    cpu = host_cpu() if hardware.accelerator is Accelerator.KVM else ""
    parts = [_FORMAT, image.id, image.digest, language, disk_mib, qemu_version, cpu, *hardware_args(hardware)]
    return f"{flavor_id}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}"


def state_key(disk_mib: int, hardware: Hardware, qemu_version: str) -> str:
    """What the saved memory of one machine fits: another QEMU, processor or machine has another key."""
    cpu = host_cpu() if hardware.accelerator is Accelerator.KVM else ""
    return hashlib.sha256(json.dumps([disk_mib, qemu_version, cpu, *hardware_args(hardware)]).encode()).hexdigest()[:32]


def read_golden(folder: Path) -> Golden | None:
    """The whole golden in ``folder``, or None when it is not there, of another format, or damaged."""
    try:
        manifest = GoldenManifest.model_validate_json((folder / MANIFEST_NAME).read_bytes())
        sizes = {name: (folder / name).stat().st_size for name in manifest.sizes}
    except (OSError, ValidationError):
        return None
    is_whole = manifest.format == _FORMAT and sizes == manifest.sizes and manifest.name == folder.name
    return Golden(folder, manifest) if is_whole else None


def new_name(key: str) -> str:
    """A folder name for a new build."""
    return f"{key}-{secrets.token_hex(4)}"


def measure_files(folder: Path) -> dict[str, int]:
    """What ``sizes`` of a manifest holds."""
    return {name: (folder / name).stat().st_size for name in (DISK_NAME, OVERLAY_NAME, RAM_NAME, STATE_NAME)}


class Goldens:
    """The goldens that stand in one folder, and the memory of those in use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._standing: dict[str, Golden] = {}
        self._memory: dict[str, int] = {}
        self._loading = asyncio.Lock()

    def load(self) -> None:
        """Look at what is on disk, and remove what an interrupted build left."""
        for folder in self._folder.iterdir():
            if folder.name.startswith(BUILDING_PREFIX):
                shutil.rmtree(folder, ignore_errors=True)
            else:
                self.add(folder)

    def standing(self, key: str) -> Golden | None:
        """The golden for this key, if a whole one is there."""
        return self._standing.get(key)

    def add(self, folder: Path) -> None:
        """Take note of a golden, if it is whole; of two with one key the newer is cloned."""
        golden = read_golden(folder)
        other = golden and self._standing.get(golden.key)
        if golden and not (other and other.manifest.created_at > golden.manifest.created_at):
            self._standing[golden.key] = golden

    def remove_all_but(self, wanted_keys: Collection[str], names_in_use: Collection[str]) -> None:
        """Clone no more from what nobody wants, and delete it unless a desktop stands on its disk."""
        for key, golden in list(self._standing.items()):
            if key not in wanted_keys:
                del self._standing[key]
                self._let_memory_go(golden.name)
        keep = {golden.name for golden in self._standing.values()} | set(names_in_use)
        for folder in self._folder.iterdir():
            if folder.name not in keep and not folder.name.startswith(BUILDING_PREFIX):
                # Its manifest goes first: half a golden must never look whole.
                (folder / MANIFEST_NAME).unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=True)
                self._let_memory_go(folder.name)
                logger.info("golden_removed", golden=folder.name)

    async def memory(self, golden: Golden) -> int:
        """A descriptor of the golden's memory, read-only for ever. Read from disk at first use. Raises OSError."""
        async with self._loading:
            if golden.name not in self._memory:
                self._memory[golden.name] = await asyncio.to_thread(_load_sealed, golden)
            return self._memory[golden.name]

    @property
    def in_memory(self) -> set[str]:
        """Names of the goldens whose memory is at hand."""
        return set(self._memory)

    def keep_memory(self, name: str, descriptor: int) -> None:
        """Take over the memory of a golden that was just built; it is sealed here."""
        seal(descriptor)
        self._memory[name] = descriptor

    def adopt_memory(self, name: str, clone_pid: int) -> None:
        """Take the memory of a golden over from a clone that an earlier host process started, rather than read it twice.

        Only a memfd that we ourselves sealed counts: a machine cannot make one that passes for it.
        """
        if name in self._memory:
            return
        try:
            for link in Path(f"/proc/{clone_pid}/fd").iterdir():
                if str(link.readlink()).startswith(f"/memfd:{_memory_name(name)} "):
                    descriptor = os.open(link, os.O_RDONLY | os.O_CLOEXEC)
                    if os.fstat(descriptor).st_uid == os.geteuid() and fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) == _SEALED:
                        self._memory[name] = descriptor
                        return
                    os.close(descriptor)
        except OSError:
            return  # it has ended, or we may not look into it: the memory is read from disk when it is needed

    def close(self) -> None:
        """Give back the memory of all; running clones keep theirs."""
        for descriptor in self._memory.values():
            os.close(descriptor)
        self._memory = {}

    def _let_memory_go(self, name: str) -> None:
        descriptor = self._memory.pop(name, None)
        if descriptor is not None:
            os.close(descriptor)


def new_memory(name: str, size_mib: int) -> int:
    """An empty memfd for the memory of the golden ``name``, not sealed yet."""
    descriptor = os.memfd_create(_memory_name(name), os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size_mib * 1024 * 1024)
    return descriptor


def seal(descriptor: int) -> None:
    """Make a memfd unchangeable for everybody, for ever. Raises OSError while somebody maps it for writing."""
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALED)


def _memory_name(name: str) -> str:
    return f"yunzhuo-golden-{name}"


def _load_sealed(golden: Golden) -> int:
    descriptor = new_memory(golden.name, golden.manifest.memory_mib)
    try:
        with (golden.folder / RAM_NAME).open("rb") as source:
            copy_data(source.fileno(), descriptor)
            # It is in memory once now; let go of the copy in the page cache.
            os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        seal(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
