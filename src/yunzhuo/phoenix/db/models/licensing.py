"""The license that an installation has."""

from sqlalchemy import BigInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Digest, Time, Word


class Installation(Base):
    """The one row of this installation: its license as it was signed, and the latest time that it has seen.

    What the license says is read from ``document`` alone, whose signature is checked every time. ``serial`` is the highest
    that was ever taken, ``latest_seen`` the latest time; ``latest_mark`` is a keyed digest of both: whoever edits the row, or
    puts an older license into it, does not have the key.

    Of a license server: ``line`` is what its last answer told us to say the next time, ``trouble`` the code of what went wrong
    the last time, None when nothing did.
    """

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[str | None] = mapped_column(Text)
    serial: Mapped[int] = mapped_column(BigInteger)
    taken_at: Mapped[Time | None]
    latest_seen: Mapped[Time | None]
    latest_mark: Mapped[Digest | None]
    line: Mapped[Digest | None]
    asked_at: Mapped[Time | None]
    ask_again_at: Mapped[Time | None]
    trouble: Mapped[Word | None]
