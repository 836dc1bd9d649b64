"""Goldens kept outside the state folder, so that a second installation (or the next test) need not build them again.

Everything works without it. Its files are the same ones (hard links) where the file system allows, so it costs no space.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yunzhuo.host.goldens import MANIFEST_NAME, Golden, read_golden
from yunzhuo.host.sparse import link_or_copy
from yunzhuo.phoenix.common.logging import get_logger

_KEPT = 8

logger = get_logger()


def cache_folder(setting: str) -> Path:
    """Where caches are: what the settings say, else the user's cache folder (XDG Base Directory Specification)."""
    if setting:
        return Path(setting).expanduser()
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path("~/.cache").expanduser()) / "yunzhuo"


class GoldenCache:
    """Goldens below ``folder``. No method raises OSError: a cache that does not work is no cache."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._is_usable = os.access(folder, os.W_OK)
        except OSError:
            self._is_usable = False

    def fetch(self, key: str, folder: Path) -> Path | None:
        """Put a cached golden for ``key`` into ``folder``, under its own name; the answer is its place."""
        cached = self._newest(key) if self._is_usable else None
        if cached is None:
            return None
        try:
            _place(cached.folder, folder / cached.name)
            os.utime(cached.folder)  # so that what is used stays
        except OSError as error:
            logger.warning("golden_cache_unusable", why=str(error))
            return None
        return folder / cached.name

    def keep(self, golden: Path) -> None:
        """Keep a golden that was just built; the longest unused ones make room."""
        if not self._is_usable:
            return
        try:
            _place(golden, self._folder / golden.name)
            self._make_room()
        except OSError as error:
            logger.warning("golden_cache_unusable", why=str(error))

    @contextmanager
    def turn(self, key: str) -> Iterator[bool]:
        """Whether it is ours to build ``key`` now; not while another installation on this computer builds the same."""
        if not self._is_usable:
            yield True
            return
        try:
            descriptor = os.open(self._folder / f".{key}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            yield True
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            yield False
            return
        try:
            yield True
        finally:
            os.close(descriptor)

    def _newest(self, key: str) -> Golden | None:
        try:
            found = [golden for folder in self._folder.glob(f"{key}-*") if (golden := read_golden(folder))]
        except OSError:
            return None
        return max(found, key=lambda golden: golden.manifest.created_at, default=None)

    def _make_room(self) -> None:
        cached = [folder for folder in self._folder.iterdir() if (folder / MANIFEST_NAME).exists()]
        for folder in sorted(cached, key=lambda one: one.stat().st_mtime, reverse=True)[_KEPT:]:
            (folder / MANIFEST_NAME).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)


def _place(source: Path, target: Path) -> None:
    """Give the files of ``source`` a second home, whole or not at all; whatever was there goes."""
    partial = target.with_name(f".building-{target.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    try:
        for file in sorted(source.iterdir(), key=lambda one: one.name == MANIFEST_NAME):
            link_or_copy(file, partial / file.name)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
