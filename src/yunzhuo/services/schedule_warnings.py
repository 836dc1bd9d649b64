"""Those who are connected are warned before a schedule switches off what they work in."""

from collections.abc import Sequence

from sqlalchemy import exists, or_, select, update

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import YunzhuoError
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.models import ConsoleSession, Desktop, Organization, Schedule, User
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.lease_upkeep import for_person
from yunzhuo.services.letter_words import OnScreen, on_screen
from yunzhuo.services.rules import schedules
from yunzhuo.services.rules.schedules import Deed
from yunzhuo.services.schedule_runs import subject_of

log = get_logger()


class ScheduleWarner:
    """Warns on the desktops' own screens, of each time once, by one of the schedulers that there are."""

    def __init__(self, db: Database, cloud: Cloud, clock: Clock, *, language: str) -> None:
        self._db = db
        self._cloud = cloud
        self._clock = clock
        self._language = language

    def round(self) -> None:
        """Warn of what is due soon."""
        for schedule_id in self._soon():
            for server_id, words in self._told(schedule_id):
                try:
                    self._cloud.guest.message(server_id, words)
                except YunzhuoError as error:
                    log.info("warning_not_shown", schedule_id=schedule_id, server_id=server_id, code=error.code)

    def _soon(self) -> Sequence[str]:
        now = self._clock.now()
        enabled = select(Organization.id).where(Organization.disabled_at.is_(None))
        query = select(Schedule.id).where(
            Schedule.next_at > now,
            Schedule.next_at <= now + schedules.WARN_AHEAD,
            or_(Schedule.warned_for.is_(None), Schedule.warned_for != Schedule.next_at),
            Schedule.organization_id.in_(enabled),
        )
        with self._db.reading() as tx:
            found = tx.scalars(select(Schedule).where(Schedule.id.in_(query)).order_by(Schedule.next_at)).all()
            return [each.id for each in found if schedules.warns(Deed(each.action), leaves_connected=each.leaves_connected)]

    @retried_when_contended
    def _told(self, schedule_id: str) -> Sequence[tuple[str, str]]:
        """Note that it is warned of, and say whom: servers, and the words for their screens. Nobody, for who comes second."""
        with self._db.transaction() as tx:
            row = tx.get(Schedule, schedule_id)
            if row is None or row.next_at is None:
                return []
            is_new = or_(Schedule.warned_for.is_(None), Schedule.warned_for != row.next_at)
            noted = update(Schedule).where(Schedule.id == row.id, Schedule.next_at == row.next_at, is_new)
            if getattr(tx.execute(noted.values(warned_for=row.next_at)), "rowcount", 0) != 1:
                return []
            subject = subject_of(tx, row)
            if subject is None:
                return []
            is_used = exists().where(ConsoleSession.desktop_id == Desktop.id, ConsoleSession.ended_at.is_(None))
            there = (Desktop.organization_id == row.organization_id, Desktop.deleted_at.is_(None), subject, is_used)
            query = select(Desktop.server_id, User).join(User, User.id == Desktop.owner_id).where(*there)
            found = []
            for server_id, owner in tx.execute(query):
                until, language = for_person(row.next_at, owner), owner.language or self._language
                if server_id is not None:
                    found.append((server_id, on_screen(OnScreen.STOPPING, language, until=until)))
            return found
