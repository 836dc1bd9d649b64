"""Builds the images that desktops start from, out of Debian's packages and a recipe. Twice is harmless and quick."""

import json
import shutil
import subprocess  # nosec B404 # lists of arguments, never a shell
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yunzhuo.host.image_files import free_space_mib, is_whole, publish, require_space, sole_builder, transfer
from yunzhuo.host.image_packages import install_packages
from yunzhuo.host.image_programs import (
    ProgramFailed,
    base_environment,
    in_namespaces,
    is_root,
    require_programs,
    run_logged,
)
from yunzhuo.host.image_progress import DISK_STEPS, PACKAGE_STEPS, Meter, Progress, Report
from yunzhuo.host.image_recipe import Recipe
from yunzhuo.phoenix.common.clock import Clock, SystemClock
from yunzhuo.phoenix.common.errors import LimitReached
from yunzhuo.phoenix.common.logging import get_logger

_FORMAT = 1
_MIB = 1024 * 1024
# Measured: the installed packages, their archive, and the disk made of them, all at once for a moment.
_SCRATCH_MIB = 6000
_IMAGE_MIB = 1500
_FULL_MIB = 64
_STEP_MARK = "@step "
_BUILDING_NAME = ".image-build"
# An ordinary user's namespace cannot reach a folder below his home; these everybody can.
_PUBLIC_SCRATCH = (Path("/var/tmp"), Path("/tmp"))  # nosec B108 # mkdtemp makes the folder in it

logger = get_logger()


def build_image(
    recipe: Recipe, images_dir: Path, *, cache_dir: Path | None, progress: Report, clock: Clock | None = None
) -> Path:
    """The image of ``recipe`` below ``images_dir``, built unless it is there; the answer is its folder.

    ``cache_dir`` keeps images and installed packages between installations. May take minutes; ``progress`` is called from
    this thread. Raises LimitReached (no disk space), Unavailable (no mirror, a program missing), ProgramFailed. Killed at any
    time it leaves no half image, and the next build takes away what it left.
    """
    image_id = recipe.image_id
    place = images_dir / image_id
    if is_whole(place):
        return place
    images_dir.mkdir(parents=True, exist_ok=True)
    with sole_builder(images_dir, lambda: progress(Progress("waiting for another build", 0.0, 0.0))):
        if not is_whole(place) and not _take_from_cache(cache_dir, place):
            _Build(recipe, place, cache_dir, progress, clock or SystemClock()).run()
            _keep(cache_dir, place)
    return place


def _cached_image(cache_dir: Path, image_id: str) -> Path:
    return cache_dir / "images" / image_id


def _take_from_cache(cache_dir: Path | None, place: Path) -> bool:
    if cache_dir is None or not is_whole(_cached_image(cache_dir, place.name)):
        return False
    transfer(_cached_image(cache_dir, place.name), place)
    logger.info("image_taken_from_cache", image=place.name)
    return True


def _keep(cache_dir: Path | None, place: Path) -> None:
    """Put a finished image into the cache. One that cannot be written costs the next installation time, nothing else."""
    if cache_dir is None:
        return
    try:
        transfer(place, _cached_image(cache_dir, place.name))
    except OSError as error:
        logger.warning("image_not_cached", image=place.name, cache=str(cache_dir), why=str(error))


@dataclass(frozen=True, slots=True)
class _Folders:
    """Where one build works: ``building`` beside the finished images, ``scratch`` for what the namespace has to reach."""

    building: Path
    scratch: Path


class _Build:
    """One build from nothing, or from cached packages."""

    def __init__(self, recipe: Recipe, place: Path, cache_dir: Path | None, progress: Report, clock: Clock) -> None:
        self._recipe = recipe
        self._place = place
        self._clock = clock
        self._log = place.parent / f"{place.name}.log"
        self._cached_packages = None if cache_dir is None else cache_dir / "packages" / f"{recipe.packages_key}.tar"
        has_packages = self._cached_packages is not None and self._cached_packages.is_file()
        self._meter = Meter(DISK_STEPS if has_packages else (*PACKAGE_STEPS, *DISK_STEPS), progress)

    def run(self) -> None:
        """Build and publish."""
        require_programs()
        self._log.write_bytes(b"")
        with _working_folders(self._place.parent) as folders:
            require_space(folders.scratch, _SCRATCH_MIB)
            require_space(folders.building, _IMAGE_MIB)
            try:
                self._make(folders)
            except ProgramFailed as failed:
                for folder in (folders.scratch, folders.building):
                    _blame_full_disk(folder, failed)
                raise
        self._meter.finish()

    def _make(self, folders: _Folders) -> None:
        made = folders.building / "image"
        made.mkdir()
        packages = self._packages(folders)
        self._assemble(packages, made, folders.scratch)
        self._meter.reach("store")
        self._describe(made)
        publish(made, self._place)

    def _packages(self, folders: _Folders) -> Path:
        """The archive of installed packages, from the cache or made now."""
        cached = self._cached_packages
        if cached is not None and cached.is_file():
            return cached
        made = folders.building / "packages.tar"
        install_packages(self._recipe, made, scratch=folders.scratch, log=self._log, meter=self._meter)
        if cached is not None:
            _keep_packages(made, cached)
        return made

    def _assemble(self, packages: Path, made: Path, scratch: Path) -> None:
        """Packages and recipe become disk, kernel and initrd. The namespace reads and writes files that are opened here."""

        def hear(line: str) -> None:
            if line.startswith(_STEP_MARK):
                self._meter.reach(line.removeprefix(_STEP_MARK))

        with (
            packages.open("rb") as packages_tar,
            tempfile.TemporaryFile() as guest_tar,
            (made / "disk.qcow2").open("wb") as disk,
            (made / "vmlinuz").open("wb") as kernel,
            (made / "initrd.gz").open("wb") as initrd,
        ):
            self._recipe.write_guest_files(guest_tar)
            guest_tar.seek(0)
            descriptors = [file.fileno() for file in (guest_tar, disk, kernel, initrd)]
            arguments = [str(scratch), str(self._recipe.facts.min_disk_mib), *map(str, descriptors)]
            run_logged(
                in_namespaces(["bash", "-c", self._recipe.assemble_script, "assemble", *arguments]),
                log=self._log,
                hear=hear,
                environment=base_environment(),
                stdin=packages_tar,
                pass_fds=descriptors,
            )

    def _describe(self, made: Path) -> None:
        facts = self._recipe.facts
        manifest = {
            "format": _FORMAT,
            "id": self._place.name,
            "kind": facts.kind,
            "name": facts.name,
            "version": facts.version,
            "created_at": self._clock.now().isoformat(),
            "kernel_args": facts.kernel_args,
            "min_memory_mib": facts.min_memory_mib,
            "min_disk_mib": facts.min_disk_mib,
            "languages": facts.languages,
            "size_mib": -(-(made / "disk.qcow2").stat().st_size // _MIB),
        }
        (made / "image.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _keep_packages(made: Path, cached: Path) -> None:
    """Put installed packages into the cache, in place of older ones of their kind: they are large."""
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(".partial")
        shutil.copyfile(made, partial)
        for older in cached.parent.glob(f"{cached.name.rpartition('-')[0]}-*.tar"):
            older.unlink()
        partial.replace(cached)
    except OSError as error:
        logger.warning("packages_not_cached", cache=str(cached), why=str(error))


def _blame_full_disk(folder: Path, failed: ProgramFailed) -> None:
    """Programs say in many ways that the disk is full; that it is can be seen."""
    if free_space_mib(folder) < _FULL_MIB:
        raise LimitReached(
            "disk_full",
            f"The disk with {folder} became full while the desktop image was built: free {_SCRATCH_MIB} MiB and try again.",
            folder=str(folder),
        ) from failed


@contextmanager
def _working_folders(images_dir: Path) -> Iterator[_Folders]:
    """Folders for one build, emptied before and after; the caller holds the right to build below ``images_dir``."""
    building = images_dir / _BUILDING_NAME
    _clear(building)
    building.mkdir()
    try:
        scratch = building if is_root() else _public_scratch(building)
        yield _Folders(building, scratch)
    finally:
        _clear(building)


def _public_scratch(building: Path) -> Path:
    """A folder of this build that its namespace's root, who is nobody outside, can reach and write; noted for clearing."""
    parent = max(_PUBLIC_SCRATCH, key=free_space_mib)
    scratch = Path(tempfile.mkdtemp(prefix="yunzhuo-image-", dir=parent))
    (building / "scratch").symlink_to(scratch)
    scratch.chmod(0o1777)
    return scratch


def _clear(building: Path) -> None:
    """Remove a build's folders, also those left by one that was killed. What a namespace made, only a namespace can remove."""
    note = building / "scratch"
    if note.is_symlink() and (scratch := note.readlink()).is_dir() and scratch.owner() == building.owner():
        command = in_namespaces(["find", str(scratch), "-mindepth", "1", "-xdev", "-delete"])
        subprocess.run(command, check=False, env=base_environment(), stderr=subprocess.DEVNULL)  # nosec B603 # made here of paths of ours
        shutil.rmtree(scratch, ignore_errors=True)
    shutil.rmtree(building, ignore_errors=True)
