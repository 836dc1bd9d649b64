"""The commands of ``yunzhuo image`` about images that a cloud keeps (driver ``openstack``), on this installation's behalf."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from yunzhuo.cli import progress
from yunzhuo.cli.context import Command, CommandContext, pass_context, print_answer
from yunzhuo.cli.organizations import acting_in
from yunzhuo.cli.tables import table
from yunzhuo.host.image_progress import Progress, Report
from yunzhuo.phoenix.common.errors import Inconsistent, InvalidInput
from yunzhuo.services.cloud_images import DiskFormat, ImageChanges, ImageRequest, ImageState, StoredImage, Visibility

_PIECE_BYTES = 1024 * 1024
_LOOK_SECONDS = 1.0
_FORMATS = click.Choice([each.value for each in DiskFormat])
_IMAGE = click.argument("image_id", metavar="ID")


def print_all(context: CommandContext) -> None:
    """What ``yunzhuo image list`` prints where a cloud keeps the images."""
    with acting_in(context, None) as (all_services, itself):
        found = all_services.cloud_images.list(itself)
    rows = [
        (of.id, of.name, of.version, _state(of), of.visibility.value, "yes" if of.is_ours else "no", of.size_bytes // 2**20)
        for of in found
    ]
    text = table(("ID", "NAME", "VERSION", "STATE", "WHO SEES IT", "OURS", "MIB"), rows)
    print_answer({"items": [_as_data(each) for each in found]}, text, as_json=context.json_output)


def delete_one(context: CommandContext, image_id: str) -> None:
    """What ``yunzhuo image delete`` does there."""
    with acting_in(context, None) as (all_services, itself):
        all_services.cloud_images.delete(itself, image_id)
    print_answer({"deleted": image_id}, f"{image_id} was deleted.", as_json=context.json_output)


@click.command("upload", cls=Command)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", required=True, help="What people read when they choose it.")
@click.option("--format", "disk_format", type=_FORMATS, default="qcow2", show_default=True)
@click.option("--version", default="", help="Which version of it this is.")
@click.option("--min-memory-mib", type=click.IntRange(0), default=0, help="Memory it needs at least, MiB.")
@click.option("--min-disk-mib", type=click.IntRange(0), default=0, help="Disk it needs at least, MiB.")
@pass_context
def upload(
    context: CommandContext, file: Path, name: str, disk_format: str, version: str, min_memory_mib: int, min_disk_mib: int
) -> None:
    """Put FILE into the cloud as an image of our project."""
    request = ImageRequest(name, DiskFormat(disk_format), version, min_memory_mib, min_disk_mib)
    with acting_in(context, None) as (all_services, itself), progress.shown("image") as report:
        images = all_services.cloud_images
        made = images.create(itself, request)
        try:
            stored = images.upload(itself, made.id, _read(file, report))
        except BaseException:
            images.delete(itself, made.id)
            raise
    print_answer(_as_data(stored), f"{stored.id} is {stored.name} now.", as_json=context.json_output)


@click.command("fetch", cls=Command)
@click.argument("url")
@click.option("--name", required=True, help="What people read when they choose it.")
@click.option("--format", "disk_format", type=_FORMATS, default="qcow2", show_default=True)
@click.option("--wait/--no-wait", "is_waited_for", default=True, help="Wait until it is there.", show_default=True)
@pass_context
def fetch(context: CommandContext, url: str, name: str, disk_format: str, is_waited_for: bool) -> None:
    """Let the cloud fetch an image from URL. Whoever stops waiting finds it in `yunzhuo image list`."""
    with acting_in(context, None) as (all_services, itself):
        images = all_services.cloud_images
        stored, told = images.fetch(itself, ImageRequest(name, DiskFormat(disk_format)), url), ""
        while is_waited_for and stored.state is not ImageState.ACTIVE:
            if stored.state is not ImageState.ARRIVING and (stored.said or stored.state is not ImageState.EMPTY):
                images.delete(itself, stored.id)
                raise Inconsistent("image_not_fetched", f"The cloud could not fetch it: {stored.said or stored.state}")
            if stored.said != told:
                told = stored.said
                click.echo(told, err=True)
            time.sleep(_LOOK_SECONDS)
            stored = images.get(itself, stored.id)
    is_there = stored.state is ImageState.ACTIVE
    text = f"{stored.id} is {stored.name} now." if is_there else f"{stored.id} is on its way."
    print_answer(_as_data(stored), text, as_json=context.json_output)


@click.command("download", cls=Command)
@_IMAGE
@click.argument("file", type=click.Path(path_type=Path))
@pass_context
def download(context: CommandContext, image_id: str, file: Path) -> None:
    """Write what is in an image into FILE, which must not be there."""
    if file.exists():
        raise InvalidInput(f"{file} is there already.")
    partial = file.with_name(f".{file.name}.partial")
    with acting_in(context, None) as (all_services, itself), progress.shown("image") as report:
        whole = all_services.cloud_images.get(itself, image_id).size_bytes
        pieces, written, began = all_services.cloud_images.download(itself, image_id), 0, time.monotonic()
        try:
            with partial.open("wb") as target:
                for piece in pieces:
                    target.write(piece)
                    written += len(piece)
                    report(_progress(f"downloading {file.name}", written, whole, began))
            partial.rename(file)
        finally:
            partial.unlink(missing_ok=True)
    print_answer({"file": str(file), "size_bytes": written}, f"{file} has {written} bytes.", as_json=context.json_output)


@click.command("change", cls=Command)
@_IMAGE
@click.option("--name")
@click.option("--version")
@click.option("--min-memory-mib", type=click.IntRange(0))
@click.option("--min-disk-mib", type=click.IntRange(0))
@click.option("--visibility", type=click.Choice([each.value for each in Visibility]))
@click.option("--protected/--unprotected", "is_protected", default=None, help="Whether it can be deleted.")
@click.option("--active/--inactive", "is_active", default=None, help="Whether anybody can start from it.")
@pass_context
def change(
    context: CommandContext,
    image_id: str,
    name: str | None,
    version: str | None,
    min_memory_mib: int | None,
    min_disk_mib: int | None,
    visibility: str | None,
    is_protected: bool | None,
    is_active: bool | None,
) -> None:
    """Change an image of ours."""
    seen_by = Visibility(visibility) if visibility else None
    wanted = ImageChanges(name, version, min_memory_mib, min_disk_mib, seen_by, is_protected)
    with acting_in(context, None) as (all_services, itself):
        images = all_services.cloud_images
        if is_active is not None:
            (images.reactivate if is_active else images.deactivate)(itself, image_id)
        stored = images.update(itself, image_id, wanted)
    print_answer(_as_data(stored), f"{stored.name} is {stored.state.value}.", as_json=context.json_output)


@click.command("share", cls=Command)
@_IMAGE
@click.argument("project", required=False)
@click.option("--stop", is_flag=True, help="Share it no more.")
@pass_context
def share(context: CommandContext, image_id: str, project: str | None, stop: bool) -> None:
    """Share an image with a PROJECT of the cloud (its id), or show with which it is."""
    with acting_in(context, None) as (all_services, itself):
        images = all_services.cloud_images
        if project is not None:
            (images.unshare if stop else images.share)(itself, image_id, project)
        projects = images.shared_with(itself, image_id)
    print_answer({"items": list(projects)}, "\n".join(projects) or "Shared with nobody.", as_json=context.json_output)


COMMANDS = (upload, fetch, download, change, share)


def _read(file: Path, report: Report) -> Iterator[bytes]:
    whole, read, began = file.stat().st_size, 0, time.monotonic()
    with file.open("rb") as source:
        while piece := source.read(_PIECE_BYTES):
            yield piece
            read += len(piece)
            report(_progress(f"uploading {file.name}", read, whole, began))


def _progress(step: str, done: int, whole: int, began: float) -> Progress:
    fraction = min(1.0, done / whole) if whole else 1.0
    elapsed = time.monotonic() - began
    return Progress(step, fraction, elapsed / fraction - elapsed if fraction else 0.0)


def _state(image: StoredImage) -> str:
    return f"{image.state.value}: {image.said}" if image.said else image.state.value


def _as_data(image: StoredImage) -> dict[str, object]:
    return {**asdict(image), "created_at": image.created_at.isoformat()}
