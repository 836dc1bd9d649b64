"""What the cloud holds and nobody here needs."""

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Id, Name, Time, Word


class Leftover(Base):
    """Something in the cloud with a mark of our kind that no desktop owns, since when and until when it was seen.

    ``kind`` is what it is (``server``, ``address``, ``port``), ``reason`` why nobody owns it. The row is what makes a second
    look a second one, whichever process takes it; it goes when the thing is gone.
    """

    __tablename__ = "leftovers"
    __table_args__ = (UniqueConstraint("kind", "cloud_id"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    kind: Mapped[Word]
    cloud_id: Mapped[Name]
    # No foreign key: the mark may be one that this installation never gave.
    desktop_id: Mapped[Name]
    name: Mapped[Name]
    reason: Mapped[Word]
    is_removed_by_rule: Mapped[bool]
    first_seen_at: Mapped[Time]
    last_seen_at: Mapped[Time]
