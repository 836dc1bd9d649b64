"""A real desktop as an image of the test cloud: the light one with the agent in it (infras/openstack/desktop)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from yunzhuo.host.golden_cache import cache_folder
from yunzhuo.host.image_build import build_image
from yunzhuo.host.image_recipe import Recipe

NAME = "desktop with the agent"
_ROOT = Path(__file__).parents[2]
_DEB = "guest/var/cache/yunzhuo-agent.deb"


def build(folder: Path) -> Path:
    """The folder of its disk, kernel and initrd, out of this computer's cache or built in minutes."""
    command = [sys.executable, str(_ROOT / "guest" / "build.py"), str(folder)]
    package = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    recipe = Recipe.read(_ROOT / "infras" / "openstack" / "desktop")
    whole = replace(recipe, files={**recipe.files, _DEB: Path(package).read_bytes()})
    return build_image(whole, folder / "images", cache_dir=cache_folder(""), progress=lambda _: None)


@contextmanager
def uploaded(sdk: Any, made: Path) -> Iterator[str]:
    """The image in Glance, of the project that ``sdk`` works for; its id. Nova boots its kernel itself, as ``local`` does."""
    kernel_args = json.loads((made / "image.json").read_text(encoding="utf-8"))["kernel_args"]
    ids: list[str] = []

    def put(name: str, file: str, disk_format: str, container_format: str, **properties: object) -> str:
        kinds = {"disk_format": disk_format, "container_format": container_format}
        with (made / file).open("rb") as data:
            image = sdk.image.create_image(name, data=data, wait=True, **kinds, **properties)
        ids.append(image.id)
        return str(image.id)

    try:
        kernel = put(f"{NAME}, kernel", "vmlinuz", "aki", "aki")
        boot = {"kernel_id": kernel, "ramdisk_id": put(f"{NAME}, initrd", "initrd.gz", "ari", "ari")}
        screen = {"hw_video_model": "virtio", "hw_sound_model": "ich6", "hw_rng_model": "virtio"}
        needs = {"min_ram": 512, "min_disk": 4}
        yield put(NAME, "disk.qcow2", "qcow2", "bare", os_command_line=kernel_args, **boot, **screen, **needs)
    finally:
        for image_id in ids:
            sdk.image.delete_image(image_id)
