"""What an image is made of: a folder of plain files, and the key that changes whenever one of them does.

::

    recipe.toml          name, sizes, kernel arguments
    packages.txt         Debian packages
    excluded-paths.txt   what of them is left out
    guest/               files laid over the packages
    initrd/init          the whole initrd
    masked-units.txt     systemd units that are never started
    configure.sh         what only commands inside the new system can do
    initrd.sh            makes vmlinuz and initrd.gz, inside the new system
    assemble.sh          calls the two and makes the disk, outside of it
"""

import hashlib
import io
import tarfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict

# Raise it when the way of building changes in a manner that the recipe's files do not show.
BUILDER_VERSION = 1
LIGHT = Path(__file__).parent / "recipes" / "light"

_KEY_DIGITS = 12
_INSIDE = ("configure.sh", "masked-units.txt", "initrd.sh", "initrd/init")
_PRIVATE_FOLDERS = ("etc/sudoers.d",)


class Facts(BaseModel):
    """``recipe.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    name: str
    version: str
    suite: str
    kernel_args: str
    min_memory_mib: int
    min_disk_mib: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image's recipe, read from ``folder``."""

    folder: Path
    facts: Facts

    @classmethod
    def read(cls, folder: Path) -> "Recipe":
        """The recipe in ``folder``; a mistake in it is a programming error."""
        return cls(folder, Facts.model_validate(tomllib.loads((folder / "recipe.toml").read_text(encoding="utf-8"))))

    @property
    def image_id(self) -> str:
        """The name of what this recipe builds: the same for the same files, on every computer."""
        files = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return f"{self.facts.kind}-{_key((path.relative_to(self.folder).as_posix(), path.read_bytes()) for path in files)}"

    @property
    def packages_key(self) -> str:
        """The name of the packages alone, installed and not yet configured."""
        listed = ((name, (self.folder / name).read_bytes()) for name in ("packages.txt", "excluded-paths.txt"))
        return _key([("suite", self.facts.suite.encode()), *listed])

    @property
    def packages(self) -> tuple[str, ...]:
        """Debian packages to install."""
        return tuple(name for line in _lines(self.folder / "packages.txt") for name in line.split())

    @property
    def path_options(self) -> tuple[str, ...]:
        """dpkg's options that leave paths out; a pattern with a plus sign is taken in again."""
        patterns = _lines(self.folder / "excluded-paths.txt")
        return tuple(f"path-include={line[1:]}" if line.startswith("+") else f"path-exclude={line}" for line in patterns)

    @property
    def assemble_script(self) -> str:
        """What makes the disk from the packages, for bash."""
        return (self.folder / "assemble.sh").read_text(encoding="utf-8")

    def write_guest_files(self, out: IO[bytes]) -> None:
        """Everything that goes into the new system beside the packages, as a tar archive owned by root."""
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for path in sorted((self.folder / "guest").rglob("*")):
                if path.is_file():
                    _add(archive, path.relative_to(self.folder / "guest").as_posix(), path.read_bytes())
            for name in _INSIDE:
                _add(archive, f"recipe/{name}", (self.folder / name).read_bytes())


def _key(parts: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256(f"builder {BUILDER_VERSION}\n".encode())
    for name, content in parts:
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:_KEY_DIGITS]


def _lines(path: Path) -> Iterator[str]:
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return (line for line in lines if line)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """A file whose mode follows from what it is: a checkout or a wheel may have lost the one it had."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    if name.startswith(_PRIVATE_FOLDERS):
        entry.mode = 0o440
    elif content.startswith(b"#!"):
        entry.mode = 0o755
    else:
        entry.mode = 0o644
    archive.addfile(entry, io.BytesIO(content))
