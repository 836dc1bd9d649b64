"""Disks to start from."""

import json
from collections.abc import Sequence

from yunzhuo.phoenix.cloud.errors import ImageNotFound
from yunzhuo.phoenix.cloud.memory import image_store
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.faults import FaultKind, Plan
from yunzhuo.phoenix.cloud.memory.flavors import choose_flavor
from yunzhuo.phoenix.cloud.memory.options import ImageOption, Options
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.resources import Image
from yunzhuo.phoenix.common.errors import InvalidInput


class Images:
    """See :class:`yunzhuo.phoenix.cloud.interface.Images`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def list(self) -> Sequence[Image]:
        return self._gate.perform(
            "images.list",
            lambda transaction, _: tuple(_as_image(transaction.options, image) for image in _offered(transaction)),
        )

    def get(self, image_id: str) -> Image:
        return self._gate.perform(
            "images.get",
            lambda transaction, _: _as_image(transaction.options, choose_image(transaction, image_id)),
            subject=image_id,
        )

    def is_prepared(self, image_id: str, flavor_id: str) -> bool:
        return self._gate.perform(
            "images.is_prepared",
            lambda transaction, plan: _is_prepared(transaction, plan, image_id, flavor_id),
            subject=image_id,
        )


def _offered(transaction: Transaction) -> Sequence[ImageOption]:
    return (*transaction.options.images, *image_store.offered(transaction))


def choose_image(transaction: Transaction, image_id: str) -> ImageOption:
    """The image with this id. Raises ImageNotFound."""
    for image in _offered(transaction):
        if image.id == image_id:
            return image
    raise ImageNotFound(image_id)


def check_minimum(image: ImageOption, *, memory_mib: int, disk_mib: int) -> None:
    """Raises InvalidInput when that is too small for the image."""
    if memory_mib < image.min_memory_mib or disk_mib < image.min_disk_mib:
        needs = f"at least {image.min_memory_mib} MiB of memory and {image.min_disk_mib} MiB of disk"
        raise InvalidInput(f"The image {image.name} needs {needs}.", code="flavor_too_small", fields={"flavor_id": needs})


def _is_prepared(transaction: Transaction, plan: Plan, image_id: str, flavor_id: str) -> bool:
    image = choose_image(transaction, image_id)
    flavor = choose_flavor(transaction.options, flavor_id)
    fits = flavor.memory_mib >= image.min_memory_mib and flavor.disk_mib >= image.min_disk_mib
    row = transaction.row("SELECT value FROM facts WHERE name = 'made_at'")
    made_at = float(json.loads(row[0])) if row else 0.0
    is_prepared = fits and transaction.now >= made_at + image.prepared_after_seconds
    return is_prepared is not plan.has(FaultKind.LIE)


def _as_image(options: Options, image: ImageOption) -> Image:
    return Image(
        id=image.id,
        name=image.name,
        version=image.version,
        size_mib=image.size_mib,
        min_memory_mib=image.min_memory_mib,
        min_disk_mib=image.min_disk_mib,
        is_default=image is options.images[0],
        created_at=image.created_at,
    )
