"""Images, flavors, networks and security groups: what the cloud offers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Flavor as CloudFlavor
from yunzhuo.phoenix.cloud.resources import Image as CloudImage
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import LimitReached
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.models import CloudPlace, Flavor, Image, Network, SecurityGroup
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.license_book import LicenseBook, Limit
from yunzhuo.services.rules.licensing import Reach
from yunzhuo.services.stated import needs

log = get_logger()


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image a desktop can be made from; sizes in MiB."""

    id: str
    name: str
    version: str
    size_mib: int
    min_memory_mib: int
    min_disk_mib: int
    is_default: bool


@dataclass(frozen=True, slots=True)
class FlavorView:
    """A size a desktop can have; sizes in MiB."""

    id: str
    name: str
    vcpus: int
    memory_mib: int
    disk_mib: int

    def fits(self, image: ImageView) -> bool:
        """Whether it is large enough for the image."""
        return self.memory_mib >= image.min_memory_mib and self.disk_mib >= image.min_disk_mib


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A network that desktops can be put on, or a security group that they can be in."""

    id: str
    name: str


class CatalogService:
    """Lists what can be chosen, and keeps the list equal to the cloud's."""

    def __init__(self, db: Database, cloud: Cloud, audit: AuditLog, clock: Clock, license_book: LicenseBook) -> None:
        self._license = license_book
        self._left_out: set[str] = set()
        self._audit = audit
        self._db = db
        self._cloud = cloud
        self._clock = clock

    @needs("catalog:read")
    def images(self, actor: Actor) -> Sequence[ImageView]:
        """The images the actor can choose, the default one first."""
        query = select(Image).where(Image.organization_id == actor.organization_id, Image.withdrawn_at.is_(None))
        with self._db.reading() as tx:
            return [_image_view(row) for row in tx.scalars(query.order_by(Image.is_default.desc(), Image.name, Image.version))]

    @needs("catalog:read")
    def flavors(self, actor: Actor) -> Sequence[FlavorView]:
        """The flavors the actor can choose, the smallest first."""
        query = select(Flavor).where(Flavor.withdrawn_at.is_(None))
        order = (Flavor.memory_mib, Flavor.vcpus, Flavor.disk_mib, Flavor.name)
        with self._db.reading() as tx:
            return [_flavor_view(row) for row in tx.scalars(query.order_by(*order))]

    @needs("network:read")
    def networks(self, actor: Actor) -> Sequence[PlaceView]:
        """The networks that desktops can be put on, by name."""
        return self._places(Network)

    @needs("network:read")
    def security_groups(self, actor: Actor) -> Sequence[PlaceView]:
        """The security groups that desktops can be in, by name; none where the cloud has no such thing."""
        return self._places(SecurityGroup)

    def _places(self, kind: type[CloudPlace]) -> Sequence[PlaceView]:
        with self._db.reading() as tx:
            rows = tx.scalars(select(kind).where(kind.withdrawn_at.is_(None)).order_by(kind.name, kind.id))
            return [PlaceView(row.id, row.name) for row in rows]

    def is_fast(self, organization_id: str) -> bool:
        """Whether a desktop of the default image, in the smallest flavor that is large enough for it, would start at once now.

        Raises CloudUnavailable when the cloud does not answer.
        """
        query = (
            select(Image.cloud_id, Flavor.cloud_id)
            .join(Flavor, (Flavor.memory_mib >= Image.min_memory_mib) & (Flavor.disk_mib >= Image.min_disk_mib))
            .where(Image.organization_id == organization_id, Image.withdrawn_at.is_(None), Image.is_default.is_(True))
            .where(Flavor.withdrawn_at.is_(None))
            .order_by(Flavor.memory_mib, Flavor.vcpus)
            .limit(1)
        )
        with self._db.reading() as tx:
            first = tx.execute(query).first()
        return first is not None and self._cloud.images.is_prepared(*first)

    @retried_when_contended
    def synchronize(self, organization_id: str) -> None:
        """Make the catalog equal to what the cloud has: new ones added, changed ones changed, lost ones withdrawn."""
        images, flavors = self._cloud.images.list(), self._cloud.flavors.list()
        with self._db.transaction() as tx:
            self._synchronize_images(tx, organization_id, images)
            self._synchronize_flavors(tx, flavors)

    @retried_when_contended
    def synchronize_places(self) -> None:
        """The same for networks and security groups, which are all organizations'."""
        networks = {each.id: each.name for each in self._cloud.networks.list()}
        try:
            groups = {each.id: each.name for each in self._cloud.security_groups.list()}
        except CloudNotOffered:
            groups = {}
        with self._db.transaction() as tx:
            self._synchronize_kind(tx, Network, networks)
            self._synchronize_kind(tx, SecurityGroup, groups)

    def _synchronize_kind(self, tx: Transaction, kind: type[CloudPlace], names: Mapping[str, str]) -> None:
        known = {row.id: row for row in tx.scalars(select(kind))}
        for cloud_id, name in names.items():
            row = known.pop(cloud_id, None)
            if row is None:
                tx.add(kind(id=cloud_id, name=name, withdrawn_at=None))
            else:
                row.name, row.withdrawn_at = name, None
        for lost in known.values():
            lost.withdrawn_at = lost.withdrawn_at or self._clock.now()

    def _synchronize_images(self, tx: Transaction, organization_id: str, images: Sequence[CloudImage]) -> None:
        known = {row.cloud_id: row for row in tx.scalars(select(Image).where(Image.organization_id == organization_id))}
        for image in images:
            row = known.pop(image.id, None)
            if (row is None or row.withdrawn_at is not None) and not self._has_room(tx, image):
                continue
            if row is None:
                row = Image(id=new_id(), organization_id=organization_id, cloud_id=image.id, created_at=image.created_at)
                tx.add(row)
            row.name, row.version, row.size_mib = image.name, image.version, image.size_mib
            row.min_memory_mib, row.min_disk_mib = image.min_memory_mib, image.min_disk_mib
            row.is_default, row.withdrawn_at = image.is_default, None
        for lost in known.values():
            lost.withdrawn_at = lost.withdrawn_at or self._clock.now()

    def _has_room(self, tx: Transaction, image: CloudImage) -> bool:
        """Whether the license lets another image be offered; one that it does not is left where it is, and told of once."""
        tx.flush()
        is_counted = tx.scalar(select(Image.id).where(Image.cloud_id == image.id, Image.withdrawn_at.is_(None)).limit(1))
        try:
            self._license.reserve(tx, {Limit.IMAGES: 0 if is_counted else 1}, Reach.CLOSE)
        except LimitReached as refusal:
            if image.id not in self._left_out:
                log.warning("image_not_offered", image=image.name, reason=refusal.message)
            self._left_out.add(image.id)
            return False
        self._left_out.discard(image.id)
        return True

    def _synchronize_flavors(self, tx: Transaction, flavors: Sequence[CloudFlavor]) -> None:
        known = {row.cloud_id: row for row in tx.scalars(select(Flavor))}
        for flavor in flavors:
            row = known.pop(flavor.id, None)
            if row is None:
                row = Flavor(id=new_id(), cloud_id=flavor.id)
                tx.add(row)
            row.name, row.vcpus, row.withdrawn_at = flavor.name, flavor.vcpus, None
            row.memory_mib, row.disk_mib = flavor.memory_mib, flavor.disk_mib
        for lost in known.values():
            lost.withdrawn_at = lost.withdrawn_at or self._clock.now()


def _image_view(row: Image) -> ImageView:
    return ImageView(row.id, row.name, row.version, row.size_mib, row.min_memory_mib, row.min_disk_mib, row.is_default)


def _flavor_view(row: Flavor) -> FlavorView:
    return FlavorView(row.id, row.name, row.vcpus, row.memory_mib, row.disk_mib)
