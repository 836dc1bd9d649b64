"""What a desktop can be made from, put back to, and resized to."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.db.models import Desktop, Flavor, Image, Network, SecurityGroup
from yunzhuo.services.access import Actor
from yunzhuo.services.rules import sizes
from yunzhuo.services.rules.sizes import Misfit, Size

_REASONS: Mapping[Misfit, str] = {
    Misfit.SAME: "The desktop has the size {flavor} already.",
    Misfit.TOO_SMALL: "{flavor} is too small for {image}.",
    Misfit.DISK_SHRINKS: "The disk of {flavor} is smaller than the desktop's, and a disk cannot shrink.",
}


def image_and_flavor(tx: Session, actor: Actor, image_id: str, flavor_id: str) -> tuple[Image, Flavor]:
    """What a new desktop is made from. Raises InvalidInput when there is no such image or flavor, or one is too small."""
    image, flavor = tx.get(Image, image_id), tx.get(Flavor, flavor_id)
    wrong: dict[str, str] = {}
    if image is None or image.withdrawn_at is not None or image.organization_id != actor.organization_id:
        wrong["image"] = "There is no such image."
    if flavor is None or flavor.withdrawn_at is not None:
        wrong["flavor"] = "There is no such flavor."
    if image is None or flavor is None or wrong:
        raise InvalidInput("The desktop cannot be made from this.", fields=wrong)
    if flavor.memory_mib < image.min_memory_mib or flavor.disk_mib < image.min_disk_mib:
        raise InvalidInput(
            "The desktop cannot be made from this.", fields={"flavor": f"{flavor.name} is too small for {image.name}."}
        )
    return image, flavor


def network_and_groups(
    tx: Session, network_id: str | None, security_group_ids: Sequence[str]
) -> tuple[Network | None, Sequence[SecurityGroup]]:
    """What new desktops are put into. Raises InvalidInput when there is no such network or security group."""
    network = tx.get(Network, network_id) if network_id is not None else None
    groups = [tx.get(SecurityGroup, each) for each in security_group_ids]
    wrong: dict[str, str] = {}
    if network_id is not None and (network is None or network.withdrawn_at is not None):
        wrong["network"] = "There is no such network."
    there = [group for group in groups if group is not None and group.withdrawn_at is None]
    if len(there) < len(groups):
        wrong["security_groups"] = "There is no such security group."
    if wrong:
        raise InvalidInput("Desktops cannot be put into this.", fields=wrong)
    return network, there


def image_to_rebuild_from(tx: Session, desktop: Desktop, image_id: str) -> Image:
    """What a desktop is put back to. Raises InvalidInput when there is no such image, or the desktop is too small for it."""
    image, flavor = tx.get(Image, image_id), tx.get_one(Flavor, desktop.flavor_id)
    problem = "The desktop cannot be put back to this image."
    if image is None or image.withdrawn_at is not None or image.organization_id != desktop.organization_id:
        raise InvalidInput(problem, code="image_not_found", fields={"image": "There is no such image any more."})
    if flavor.memory_mib < image.min_memory_mib or flavor.disk_mib < image.min_disk_mib:
        raise InvalidInput(problem, fields={"image": f"{flavor.name} is too small for {image.name}."})
    return image


def flavor_to_resize_to(tx: Session, desktop: Desktop, flavor_id: str) -> Flavor:
    """Another size for a desktop. Raises InvalidInput when there is none such, or it does not fit."""
    image, present = tx.get_one(Image, desktop.image_id), tx.get_one(Flavor, desktop.flavor_id)
    flavor = tx.get(Flavor, flavor_id)
    if flavor is None or flavor.withdrawn_at is not None:
        raise _cannot_resize("There is no such flavor.")
    reason = sizes.why_not_resize(_size(present), _size(flavor), _minimum(image))
    if reason is not None:
        raise _cannot_resize(_REASONS[reason].format(flavor=flavor.name, image=image.name), f"flavor_{reason}")
    return flavor


def flavors_to_resize_to(tx: Session, desktop: Desktop) -> Sequence[Flavor]:
    """All that :func:`flavor_to_resize_to` would take, smallest first."""
    image, present = tx.get_one(Image, desktop.image_id), tx.get_one(Flavor, desktop.flavor_id)
    flavors = tx.scalars(select(Flavor).where(Flavor.withdrawn_at.is_(None)).order_by(Flavor.memory_mib, Flavor.vcpus))
    return [flavor for flavor in flavors if sizes.why_not_resize(_size(present), _size(flavor), _minimum(image)) is None]


def _size(flavor: Flavor) -> Size:
    return Size(flavor.vcpus, flavor.memory_mib, flavor.disk_mib)


def _minimum(image: Image) -> Size:
    return Size(0, image.min_memory_mib, image.min_disk_mib)


def _cannot_resize(reason: str, code: str = "invalid_input") -> InvalidInput:
    return InvalidInput("The desktop cannot get this size.", code=code, fields={"flavor": reason})
