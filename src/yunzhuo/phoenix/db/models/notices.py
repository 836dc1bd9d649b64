"""Who listens to what the cloud tells by itself."""

from sqlalchemy import Double, String
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Name, Time


class NoticeListener(Base):
    """How listening goes in a scheduler, as that scheduler reported it at ``reported_at``.

    Counts are since its start: messages ``received``, ``unreadable`` ones among them, hints ``about_us``, operations that were
    ``hastened`` and desktops that were ``looked_at`` for them. ``heard_at`` is when the last hint about our project came,
    ``lag_seconds`` how old that was. ``failure`` None: it hears.
    """

    __tablename__ = "notice_listeners"

    scheduler: Mapped[Name] = mapped_column(primary_key=True)
    failure: Mapped[str | None] = mapped_column(String(300))
    heard_at: Mapped[Time | None]
    lag_seconds: Mapped[float | None] = mapped_column(Double)
    received: Mapped[int]
    unreadable: Mapped[int]
    about_us: Mapped[int]
    hastened: Mapped[int]
    looked_at: Mapped[int]
    reported_at: Mapped[Time]
