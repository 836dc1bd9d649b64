"""What an image is made of: a folder of plain files, and the key that changes whenever one of them does.

::

    recipe.toml          name, sizes, languages, kernel arguments; ``extends`` names another recipe's folder, beside it
    packages.txt         Debian packages
    excluded-paths.txt   what of them is left out
    guest/               files laid over the packages
    initrd/init          the whole initrd
    masked-units.txt     systemd units that are never started
    configure.sh         what only commands inside the new system can do; it runs desktop.sh
    desktop.sh           the same, of one kind of desktop
    initrd.sh            makes vmlinuz and initrd.gz, inside the new system
    assemble.sh          calls them and makes the disk, outside of it

A recipe that extends another has its files too: of two with one name its own counts, but lists are put together.
"""

import hashlib
import io
import tarfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict

# Raise it when the way of building changes in a manner that the recipe's files do not show.
BUILDER_VERSION = 1
RECIPES = Path(__file__).parent / "recipes"
LIGHT = RECIPES / "light"
XFCE = RECIPES / "xfce"

_KEY_DIGITS = 12
_FACTS = "recipe.toml"
_LISTS = ("packages.txt", "excluded-paths.txt", "masked-units.txt")
_INSIDE = ("configure.sh", "desktop.sh", "masked-units.txt", "initrd.sh", "initrd/init")
_GUEST = "guest/"
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
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image's recipe. ``files`` are its own and those of the recipes it extends, by their paths."""

    facts: Facts
    files: Mapping[str, bytes]

    @classmethod
    def read(cls, folder: Path) -> "Recipe":
        """The recipe in ``folder``; a mistake in it is a programming error."""
        facts: dict[str, Any] = {}
        files: dict[str, bytes] = {}
        for part in reversed(_chain(folder)):
            facts |= _read_facts(part)
            for path in (path for path in part.rglob("*") if path.is_file()):
                name = path.relative_to(part).as_posix()
                before = files[name] + b"\n" if name in (*_LISTS, _FACTS) and name in files else b""
                files[name] = before + path.read_bytes()
        facts.pop("extends", None)
        return cls(Facts.model_validate(facts), files)

    @property
    def image_id(self) -> str:
        """The name of what this recipe builds: the same for the same files, on every computer."""
        return f"{self.facts.kind}-{_key(sorted(self.files.items()))}"

    @property
    def packages_key(self) -> str:
        """The name of the packages alone, installed and not yet configured."""
        listed = ((name, self.files[name]) for name in ("packages.txt", "excluded-paths.txt"))
        return f"{self.facts.kind}-{_key([('suite', self.facts.suite.encode()), *listed])}"

    @property
    def packages(self) -> tuple[str, ...]:
        """Debian packages to install."""
        return tuple(name for line in _lines(self.files["packages.txt"]) for name in line.split())

    @property
    def path_options(self) -> tuple[str, ...]:
        """dpkg's options that leave paths out; a pattern with a plus sign is taken in again."""
        patterns = _lines(self.files["excluded-paths.txt"])
        return tuple(f"path-include={line[1:]}" if line.startswith("+") else f"path-exclude={line}" for line in patterns)

    @property
    def assemble_script(self) -> str:
        """What makes the disk from the packages, for bash."""
        return self.files["assemble.sh"].decode()

    def write_guest_files(self, out: IO[bytes]) -> None:
        """Everything that goes into the new system beside the packages, as a tar archive owned by root."""
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for name, content in sorted(self.files.items()):
                if name.startswith(_GUEST):
                    _add(archive, name.removeprefix(_GUEST), content)
            for name in _INSIDE:
                _add(archive, f"recipe/{name}", self.files[name])


def recipe_names() -> list[str]:
    """The recipes that build an image, not those that others only extend."""
    return sorted(folder.name for folder in RECIPES.iterdir() if (folder / _FACTS).is_file() and "kind" in _read_facts(folder))


def _read_facts(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / _FACTS).read_text(encoding="utf-8"))


def _chain(folder: Path) -> list[Path]:
    """``folder`` and the recipes it extends, the most general last."""
    chain = [folder]
    while base := _read_facts(chain[-1]).get("extends"):
        chain.append(chain[-1].parent / base)
    return chain


def _key(parts: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256(f"builder {BUILDER_VERSION}\n".encode())
    for name, content in parts:
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:_KEY_DIGITS]


def _lines(content: bytes) -> Iterator[str]:
    lines = (line.partition("#")[0].strip() for line in content.decode().splitlines())
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
