"""``yunzhuo image``: what desktops start from."""

from pathlib import Path

import click

from yunzhuo.cli import progress, stored_images
from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.processes import make_home
from yunzhuo.cli.tables import table
from yunzhuo.host.golden_cache import cache_folder
from yunzhuo.host.image_build import build_image
from yunzhuo.host.image_import import import_image
from yunzhuo.host.image_recipe import RECIPES, Recipe, recipe_names
from yunzhuo.host.image_removal import delete_image, users_by_image
from yunzhuo.host.images import Images, StoredImage
from yunzhuo.host.layout import Layout
from yunzhuo.phoenix.common import logging
from yunzhuo.phoenix.common.clock import SystemClock
from yunzhuo.phoenix.config.settings import Settings


@click.group(cls=Group)
def image() -> None:
    """Images: what desktops start from."""


@image.command()
@click.argument("recipe", required=False, type=click.Choice(recipe_names()))
@pass_context
def build(context: CommandContext, recipe: str | None) -> None:
    """Build the image of RECIPE (else of the setting host.image), unless this installation has it."""
    settings = _prepared(context)
    place = build_by_recipe(settings, recipe or settings.host.image)
    print_answer({"image": place.name, "folder": str(place)}, f"{place.name} is in {place}", as_json=context.json_output)


@image.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="What people read when they choose it.")
@click.option(
    "--min-memory-mib", type=click.IntRange(128), default=1024, show_default=True, help="Memory it needs at least, MiB."
)
@pass_context
def import_file(context: CommandContext, file: Path, name: str, min_memory_mib: int) -> None:
    """Make an image of a disk in the format qcow2 that boots by itself."""
    settings = _prepared(context)
    folder = Layout(settings.host_dir).images
    place = import_image(file, folder, name=name, min_memory_mib=min_memory_mib, clock=SystemClock())
    made = Images(folder).get(place.name)
    print_answer(_as_data(made, []), f"{made.id} is {made.manifest.name} now, in {place}", as_json=context.json_output)


@image.command("list")
@pass_context
def list_images(context: CommandContext) -> None:
    """Show all images, the one offered first before the others; where a cloud keeps them, all that it shows us."""
    if context.settings().cloud.driver != "local":
        stored_images.print_all(context)
        return
    settings = _prepared(context)
    layout = Layout(settings.host_dir)
    users = users_by_image(layout)
    found = _images(settings).list() if layout.images.is_dir() else []
    rows = [
        (of.id, of.name, of.version, of.size_mib, of.min_memory_mib, of.min_disk_mib, len(users.get(of.id, ())))
        for of in (each.manifest for each in found)
    ]
    text = table(("ID", "NAME", "VERSION", "MIB", "NEEDS MEMORY", "NEEDS DISK", "DESKTOPS"), rows)
    answer = {"items": [_as_data(each, users.get(each.id, [])) for each in found]}
    print_answer(answer, text, as_json=context.json_output)


@image.command()
@click.argument("image_id", metavar="ID")
@pass_context
def delete(context: CommandContext, image_id: str) -> None:
    """Delete an image that no desktop stands on."""
    if context.settings().cloud.driver != "local":
        stored_images.delete_one(context, image_id)
        return
    settings = _prepared(context)
    layout = Layout(settings.host_dir)
    layout.images.mkdir(parents=True, exist_ok=True)
    delete_image(layout, _images(settings), image_id)
    print_answer({"deleted": image_id}, f"{image_id} was deleted.", as_json=context.json_output)


for command in stored_images.COMMANDS:
    image.add_command(command)


def build_by_recipe(settings: Settings, recipe: str) -> Path:
    """The image's folder. Where neither this installation nor the cache has it, it is built with progress on the console."""
    with progress.shown("desktop image") as report:
        return build_image(
            Recipe.read(RECIPES / recipe),
            Layout(settings.host_dir).images,
            cache_dir=cache_folder(settings.host.cache),
            progress=report,
        )


def _prepared(context: CommandContext) -> Settings:
    settings = context.settings()
    make_home(settings)
    logging.configure("image", level="warning", style=settings.log.style)
    return settings


def _images(settings: Settings) -> Images:
    return Images(Layout(settings.host_dir).images, settings.host.image)


def _as_data(image: StoredImage, users: list[str]) -> dict[str, object]:
    """An image for programs."""
    of = image.manifest
    return {
        "id": of.id,
        "kind": of.kind,
        "name": of.name,
        "version": of.version,
        "created_at": of.created_at.isoformat(),
        "size_mib": of.size_mib,
        "min_memory_mib": of.min_memory_mib,
        "min_disk_mib": of.min_disk_mib,
        "boots_by_itself": not image.has_kernel,
        "desktops": users,
    }
