"""Screen policies as administrators set them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select

from yunzhuo.phoenix.common.errors import InvalidInput, NotFound
from yunzhuo.phoenix.db.models import ScreenPolicy
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.rules.session_policy import MOST, VIEW_ONLY, Bound, Permission, Policy
from yunzhuo.services.stated import needs
from yunzhuo.services.subjects import subject_name

__all__ = ["VIEW_ONLY", "Bound", "Permission", "Policy", "PolicyService", "PolicySubject", "PolicyView"]


class PolicySubject(StrEnum):
    """Whose screens a policy is about: an organization's, those of a group's people, a pool's, a person's, a desktop's."""

    ORGANIZATION = "organization"
    GROUP = "group"
    POOL = "pool"
    USER = "user"
    DESKTOP = "desktop"


@dataclass(frozen=True, slots=True)
class PolicyView:
    """What is said for one subject; ``subject_name`` is an address, or a name. ``says`` has only what was said."""

    subject: PolicySubject
    subject_id: str
    subject_name: str
    says: Policy


class PolicyService:
    """Lets administrators say what screens allow, for whom. The strictest word counts, from the next screen that is opened."""

    def __init__(self, db: Database, audit: AuditLog) -> None:
        self._db = db
        self._audit = audit

    @needs("policy:read")
    def list(self, actor: Actor) -> Sequence[PolicyView]:
        """All policies of the actor's organization, its own first, then by what they are about and its name."""
        query = select(ScreenPolicy).where(ScreenPolicy.organization_id == actor.organization_id)
        with self._db.reading() as tx:
            found = [
                PolicyView(PolicySubject(row.subject_kind), row.subject_id, name, dict(row.says))
                for row in tx.scalars(query)
                # One whose subject is deleted is nobody's any more.
                if (name := subject_name(tx, row.subject_kind, row.subject_id, actor.organization_id)) is not None
            ]
        order = list(PolicySubject)
        return sorted(found, key=lambda view: (order.index(view.subject), view.subject_name))

    @needs("policy:change")
    @retried_when_contended
    def put(self, actor: Actor, subject: PolicySubject, subject_id: str, says: Policy) -> None:
        """Say what somebody's screens allow, in the place of what was said before; saying nothing takes the policy away.

        A part that is not named, or None, is for others to say. Screens that are open stay as they are. Raises NotFound,
        InvalidInput.
        """
        said = _checked(says)
        with self._db.transaction() as tx:
            name = subject_name(tx, subject, subject_id, actor.organization_id)
            if name is None:
                raise NotFound("subject_not_found", "There is no such person, group, pool, desktop or organization.")
            row = tx.get(ScreenPolicy, (subject, subject_id), with_for_update=True)
            before = dict(row.says) if row is not None else None
            if row is not None and said:
                row.says = said
            elif row is not None:
                tx.delete(row)
            elif said:
                organization_id = actor.organization_id
                tx.add(ScreenPolicy(subject_kind=subject, subject_id=subject_id, organization_id=organization_id, says=said))
            what = {"of": subject, "name": name}
            self._audit.record(
                tx,
                actor,
                "policy:change",
                "policy",
                subject_id,
                owner_id=subject_id if subject is PolicySubject.USER else None,
                before={**what, "says": before},
                after={**what, "says": said or None},
            )


def _checked(says: Policy) -> dict[str, object]:
    """What is said, without what is not. Raises InvalidInput, naming all that is wrong."""
    said = {name: value for name, value in says.items() if value is not None}
    wrong: dict[str, str] = {}
    for name, value in said.items():
        if name in list(Bound):
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
                wrong[name] = f"A whole number from 0 to {MOST}."
        elif name != VIEW_ONLY and name not in list(Permission):
            wrong[name] = "There is no such part of a policy."
        elif not isinstance(value, bool):
            wrong[name] = "True or false."
    if wrong:
        raise InvalidInput("This is not a policy.", fields=wrong)
    return said
