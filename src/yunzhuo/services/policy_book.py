"""What may be done on a desktop's screen by whom: what the settings say, and whoever else has a say."""

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.errors import Forbidden
from yunzhuo.phoenix.config.people_settings import ConsoleSettings
from yunzhuo.phoenix.db.models import Desktop, GroupMember, ScreenPolicy
from yunzhuo.services.rules.session_policy import VIEW_ONLY, Bound, Permission, strictest


class PolicyBook:
    """Reads policies in the transaction of whoever opens a screen or carries something."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._settings = settings

    def of(self, tx: Session, user_id: str, desktop: Desktop, *, view_only: bool = False) -> dict[str, object]:
        """The strictest of what is said for the installation, the desktop's organization, its pool, itself, the person and
        the groups that they are in. One statement."""
        groups = select(GroupMember.group_id).where(GroupMember.user_id == user_id)
        subjects = [each for each in (user_id, desktop.id, desktop.pool_id, desktop.organization_id) if each is not None]
        said = tx.scalars(
            select(ScreenPolicy.says).where(or_(ScreenPolicy.subject_id.in_(subjects), ScreenPolicy.subject_id.in_(groups)))
        )
        return strictest([self._installation(view_only=view_only), *said])

    def require(self, tx: Session, user_id: str, desktop: Desktop, permission: Permission) -> None:
        """Raises Forbidden unless the person may carry this to or from the desktop."""
        if self.of(tx, user_id, desktop)[permission] is not True:
            raise Forbidden("policy_forbids", "This is not allowed on this desktop's screen.", permission=permission)

    def _installation(self, *, view_only: bool) -> dict[str, object]:
        settings = self._settings
        return {
            VIEW_ONLY: view_only,
            Permission.CLIPBOARD_TO_DESKTOP: settings.clipboard_to_desktop,
            Permission.CLIPBOARD_FROM_DESKTOP: settings.clipboard_from_desktop,
            Permission.FILE_TRANSFER: settings.file_transfer,
            Permission.USB: settings.usb,
            Bound.KIB_PER_SECOND: settings.kib_per_second,
            Bound.SESSION_SECONDS: settings.session_seconds,
        }
