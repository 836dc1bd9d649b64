"""A backup of an installation: database, secrets and what images there were, in one file; and an installation from it.

Desktops' disks and images stay where the cloud has them: they are the cloud's to keep. The file holds secrets, so it is
readable by its owner alone.
"""

import io
import json
import os
import re
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from yunzhuo import __version__
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.db import dump
from yunzhuo.phoenix.db.session import Database

_MANIFEST = "manifest.json"
_TABLE = re.compile(r"tables/([a-z_]{1,64})\.jsonl")
_SECRET = re.compile(r"secrets/([A-Za-z0-9][A-Za-z0-9._-]{0,63})")
_FORMAT = 1
_LONGEST_LINE = 16 * 1024 * 1024
_LARGEST_SECRET = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds. ``tables`` says how many rows each has, ``images`` what there was to start from."""

    version: str
    revision: str
    made_at: str
    tables: dict[str, int]
    secrets: Sequence[str]
    images: Sequence[dict[str, object]]
    other_revision: str | None = None  # of the license server's own tables


def back_up(
    settings: Settings,
    file: Path,
    images: Sequence[dict[str, object]],
    clock: Clock,
    other: dump.OtherTables | None = None,
) -> Backup:
    """Write everything into ``file``, which must not be there; while Yunzhuo runs, too. Raises Conflict."""
    if file.exists():
        raise Conflict("file_exists", f"{file} is there already.")
    db = Database(settings.database_url)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as archive:
            revision = dump.revision(db)
            if revision is None:
                raise Conflict("no_database", "There is no database to back up.")
            # Together in memory, table by table: the archive wants each file's size first.
            tables = {name: _add_table(archive, name, lines) for name, lines in dump.read(db, other)}
            secrets = sorted(path.name for path in settings.secrets_dir.glob("*") if path.is_file() and _is_secret(path.name))
            for name in secrets:
                _add(archive, f"secrets/{name}", (settings.secrets_dir / name).read_bytes())
            other_revision = dump.revision(db, other) if other else None
            made = Backup(__version__, revision, clock.now().isoformat(), tables, secrets, images, other_revision)
            _add(archive, _MANIFEST, json.dumps({"format": _FORMAT, **_as_data(made)}, ensure_ascii=False).encode())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
        db.close()
    return made


def restore(settings: Settings, file: Path, other: dump.OtherTables | None = None) -> Backup:
    """Make an installation from a backup where there is none. Raises Conflict where something would be lost, InvalidInput
    for what is no backup of ours."""
    try:
        with tarfile.open(file, "r:gz") as archive:
            return _restore(settings, archive, other)
    except (tarfile.TarError, zlib.error, EOFError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"{file} is not a backup of ours: {error}") from error


def _restore(settings: Settings, archive: tarfile.TarFile, other: dump.OtherTables | None) -> Backup:
    made = _manifest(archive)
    if (other is None) != (made.other_revision is None):
        raise ValueError("an installation and a license server are not restored from each other's backups")
    others = (other, made.other_revision) if other and made.other_revision else None
    db = Database(settings.database_url)
    try:
        if not dump.is_empty(db, other):
            raise Conflict("not_empty", "There is an installation here already; a backup is restored where there is none.")
        secrets = {name: _read(archive, f"secrets/{name}", _LARGEST_SECRET) for name in made.secrets}
        members = [name for name in archive.getnames() if _TABLE.fullmatch(name)]
        tables = ((_TABLE.fullmatch(name)[1], _lines(archive, name)) for name in members)  # type: ignore[index]  # they match
        dump.load(db, made.revision, tables, others)
    finally:
        db.close()
    settings.secrets_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, content in secrets.items():
        _write_secret(settings.secrets_dir / name, content)
    return made


def _manifest(archive: tarfile.TarFile) -> Backup:
    told = json.loads(_read(archive, _MANIFEST, _LONGEST_LINE))
    if not isinstance(told, dict) or told.get("format") != _FORMAT:
        raise ValueError("its format is not known to this release")
    made = Backup(
        **{name: told[name] for name in ("version", "revision", "made_at", "tables", "secrets", "images")},
        other_revision=told.get("other_revision"),
    )
    if not all(_is_secret(str(name)) for name in made.secrets):
        raise ValueError("it names secrets that are none")
    return made


def _add_table(archive: tarfile.TarFile, name: str, lines: Iterator[str]) -> int:
    content, count = io.BytesIO(), 0
    for line in lines:
        content.write(line.encode() + b"\n")
        count += 1
    _add(archive, f"tables/{name}.jsonl", content.getvalue())
    return count


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    archive.addfile(member, io.BytesIO(content))


def _read(archive: tarfile.TarFile, name: str, most: int) -> bytes:
    file, size = _opened(archive, name)
    if size > most:
        raise ValueError(f"{name} is too large")
    return file.read()


def _opened(archive: tarfile.TarFile, name: str) -> tuple[IO[bytes], int]:
    """A file of the archive and its size. A link in it could lead to itself."""
    member = archive.getmember(name)
    file = archive.extractfile(member) if member.isreg() else None
    if file is None:
        raise ValueError(f"{name} is no file")
    return file, member.size


def _lines(archive: tarfile.TarFile, name: str) -> Iterator[str]:
    file, _ = _opened(archive, name)
    while line := file.readline(_LONGEST_LINE):
        yield line.decode()


def _write_secret(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _is_secret(name: str) -> bool:
    return _SECRET.fullmatch(f"secrets/{name}") is not None


def _as_data(made: Backup) -> dict[str, object]:
    return {
        "version": made.version,
        "revision": made.revision,
        "made_at": made.made_at,
        "tables": made.tables,
        "secrets": list(made.secrets),
        "images": list(made.images),
        "other_revision": made.other_revision,
    }
