"""``yunzhuo image``: what desktops start from."""

from pathlib import Path

import click

from yunzhuo.cli import progress
from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.processes import make_home
from yunzhuo.host.golden_cache import cache_folder
from yunzhuo.host.image_build import build_light_image
from yunzhuo.host.layout import Layout
from yunzhuo.phoenix.common import logging
from yunzhuo.phoenix.config.settings import Settings


@click.group(cls=Group)
def image() -> None:
    """Images: what desktops start from."""


@image.command()
@pass_context
def build(context: CommandContext) -> None:
    """Build the image that desktops start from, unless this installation has it."""
    settings = context.settings()
    make_home(settings)
    logging.configure("image", level="warning", style=settings.log.style)
    place = build_default_image(settings)
    print_answer({"image": place.name, "folder": str(place)}, f"{place.name} is in {place}", as_json=context.json_output)


def build_default_image(settings: Settings) -> Path:
    """The image's folder. Where neither this installation nor the cache has it, it is built with progress on the console."""
    with progress.shown("desktop image") as report:
        return build_light_image(Layout(settings.host_dir).images, cache_dir=cache_folder(settings.host.cache), progress=report)
