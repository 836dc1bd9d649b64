"""Disks from elsewhere as images. Nothing is believed of them: see qcow2.py; qemu-img reads them under limits."""

import hashlib
import json
import shutil
import subprocess  # nosec B404 # lists of arguments, never a shell
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from yunzhuo.host.image_files import publish, require_space, sole_builder
from yunzhuo.host.images import DISK_FILE, MANIFEST_FILE, SELF_BOOTING_FILES, Manifest
from yunzhuo.host.qcow2 import HEADER_BYTES, Header, ImageRefused, read_header
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import InvalidInput, Unavailable

_MIB = 1024 * 1024
_CHUNK_BYTES = 4 * _MIB
_KEY_DIGITS = 12
_LONGEST_NAME = 100
_IMPORTING_PREFIX = ".image-import."
# As OpenStack does: a crafted file must not make qemu-img take the whole computer.
_MEMORY_BYTES = 1024 * _MIB
_CPU_SECONDS = 30
_PATIENCE_SECONDS = 120


def import_image(
    source: Path, images_dir: Path, *, name: str, min_memory_mib: int, clock: Clock, wait: Callable[[], None] = lambda: None
) -> Path:
    """Copy the qcow2 file ``source`` to an image below ``images_dir`` that boots by itself; the answer is its folder.

    The same file twice is one image, with the name it got first. Raises ImageRefused (nothing of it is kept), InvalidInput
    (name), LimitReached (no disk space), Unavailable (no qemu-img). ``wait`` is called once when another process builds.
    """
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidInput(
            f"An image needs a name of 1 to {_LONGEST_NAME} printable characters.", fields={"name": "not usable"}
        )
    images_dir.mkdir(parents=True, exist_ok=True)
    with _opened(source) as file, sole_builder(images_dir, wait):
        read_header(file.read(HEADER_BYTES))
        file.seek(0)
        require_space(images_dir, -(-source.stat().st_size // _MIB))
        made = Path(tempfile.mkdtemp(prefix=_IMPORTING_PREFIX, dir=images_dir))
        try:
            return _take(file, made, images_dir, name.strip(), min_memory_mib, clock)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def _take(file: IO[bytes], made: Path, images_dir: Path, name: str, min_memory_mib: int, clock: Clock) -> Path:
    """Copy, then look at the copy: the original may change at any time."""
    disk = made / DISK_FILE
    key = _copy(file, disk)
    with disk.open("rb") as copied:
        header = read_header(copied.read(HEADER_BYTES))
    _examine(disk, header)
    place = images_dir / f"imported-{key}"
    if (place / MANIFEST_FILE).exists():
        return place
    manifest = Manifest(
        format=1,
        id=place.name,
        kind="imported",
        name=name,
        version=f"{clock.now():%Y-%m-%d}",
        created_at=clock.now(),
        kernel_args=None,
        min_memory_mib=min_memory_mib,
        min_disk_mib=-(-header.size_bytes // _MIB),
        size_mib=-(-disk.stat().st_size // _MIB),
    )
    (made / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    publish(made, place, SELF_BOOTING_FILES)
    return place


def _opened(source: Path) -> IO[bytes]:
    if not source.is_file():
        raise ImageRefused(f"there is no file {source}.")
    try:
        return source.open("rb")
    except OSError as error:
        raise ImageRefused(f"{source} cannot be read ({error.strerror}).") from error


def _copy(file: IO[bytes], disk: Path) -> str:
    """Copy the rest of ``file``; the answer is a name for its content."""
    digest = hashlib.sha256()
    with disk.open("xb") as out:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()[:_KEY_DIGITS]


def _examine(disk: Path, header: Header) -> None:
    """Let qemu-img confirm what the header says, and that the file is whole. Raises ImageRefused, Unavailable."""
    seen = _qemu_img("info", disk)
    hidden = [key for key in ("backing-filename", "full-backing-filename", "encrypted") if seen.get(key)]
    if seen.get("format-specific", {}).get("data", {}).get("data-file"):
        hidden.append("data-file")
    if seen.get("format") != "qcow2" or seen.get("virtual-size") != header.size_bytes or hidden:
        raise ImageRefused(f"qemu-img sees something else in it than its header says {hidden}.")
    check = _qemu_img("check", disk)
    if check.get("corruptions") or check.get("check-errors"):
        raise ImageRefused("it is damaged; qemu-img check -r all may repair it.")


def _qemu_img(verb: str, disk: Path) -> dict[str, Any]:
    """What ``qemu-img VERB`` says of a file that is qcow2 and nothing else, within limits."""
    limits = ["prlimit", f"--as={_MEMORY_BYTES}", f"--cpu={_CPU_SECONDS}", "--"]
    command = [*limits, "qemu-img", verb, "-f", "qcow2", "--output=json", str(disk)]
    if shutil.which("qemu-img") is None:
        raise Unavailable("program_missing", "There is no qemu-img; install qemu-utils.")
    try:
        ended = subprocess.run(command, capture_output=True, check=False, timeout=_PATIENCE_SECONDS, stdin=subprocess.DEVNULL)  # nosec B603 # made here of paths of ours
        answer = json.loads(ended.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError) as error:
        raise ImageRefused("qemu-img cannot make sense of it.") from error
    if not isinstance(answer, dict):
        raise ImageRefused("qemu-img cannot make sense of it.")
    return answer
