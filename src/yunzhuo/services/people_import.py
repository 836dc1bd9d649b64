"""Many people at once: accounts made from a list, taken away as a list, and changed together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, Refused
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.config.people_settings import AccountSettings
from yunzhuo.phoenix.db.models import Group, GroupMember, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.passwords import Passwords, one_time_password
from yunzhuo.services import list_files
from yunzhuo.services.access import GRANTS, Actor, Role, covers, grants_of
from yunzhuo.services.accounts import LANGUAGES, normalized_email, user_view
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.license_book import LicenseBook, Limit
from yunzhuo.services.list_files import FileKind, Line
from yunzhuo.services.people import DesktopsOfDeleted, NewAccess, PeopleService
from yunzhuo.services.reach import within_reach
from yunzhuo.services.stated import needs
from yunzhuo.services.subordinates import EMAIL_REFUSED

COLUMNS = ("email", "role", "groups", "language")
MAX_AT_ONCE = 500
_SEPARATOR = "|"
_BATCH = 500


class Change(StrEnum):
    """What can be done with several accounts at once."""

    DISABLE = "disable"
    ENABLE = "enable"
    RESET = "reset"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What becomes of a line: the account that it makes, or why it does not."""

    number: int
    email: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What a list makes. ``made`` has the one-time passwords, told this once; empty when it was only tried, or a line is
    wrong: then nothing was done."""

    lines: Sequence[LineOutcome]
    made: Sequence[NewAccess]

    @property
    def problems(self) -> Sequence[LineOutcome]:
        """The lines that are wrong."""
        return [line for line in self.lines if line.problem is not None]


@dataclass(frozen=True, slots=True)
class PersonOutcome:
    """What became of one of several accounts; ``access`` when it has a new one-time password."""

    user_id: str
    refusal: Refused | None = None
    access: NewAccess | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    email: str
    role: Role
    groups: Sequence[str]
    language: str | None


class PeopleImport:
    """What administrators do with lists of people."""

    def __init__(
        self,
        db: Database,
        people: PeopleService,
        audit: AuditLog,
        clock: Clock,
        settings: AccountSettings,
        passwords: Passwords,
        license_book: LicenseBook,
    ) -> None:
        self._license = license_book
        self._db = db
        self._people = people
        self._audit = audit
        self._clock = clock
        self._settings = settings
        self._passwords = passwords

    @needs("user:import")
    @retried_when_contended
    def run(self, actor: Actor, content: bytes, kind: FileKind, *, dry_run: bool = False) -> ImportReport:
        """Make the accounts of a list, all of them or none; each gets a one-time password.

        Raises InvalidInput when the file cannot be read, Conflict when somebody else made one of them meanwhile, and
        LimitReached when the license has no room for all of them.
        """
        lines = list_files.read(content, kind, COLUMNS, "email")
        try:
            with self._db.transaction() as tx:
                outcomes, wanted = _check(tx, actor, lines)
                if dry_run or any(outcome.problem for outcome in outcomes):
                    return ImportReport(outcomes, ())
                self._license.reserve(tx, {Limit.USERS: len(wanted)})
                return ImportReport(outcomes, self._make(tx, actor, wanted))
        except IntegrityError as error:
            raise Conflict("email_taken", "Somebody made one of these accounts meanwhile; try again.") from error

    @needs("user:export")
    @retried_when_contended
    def export(self, actor: Actor, kind: FileKind) -> bytes:
        """All accounts that the actor may see, by address, as a list that can be taken in again."""
        with self._db.transaction() as tx:
            groups = _group_names(tx, actor)
            query = select(User).where(within_reach(actor, "user:read", User.organization_id, User.id))
            rows = [
                (user.email, user.role, _SEPARATOR.join(groups.get(user.id, ())), user.language or "")
                for user in tx.scalars(query.where(User.deleted_at.is_(None)).order_by(User.email))
            ]
            self._audit.record(tx, actor, "user:export", "user", None, after={"people": len(rows), "kind": kind})
        return list_files.write(rows, COLUMNS, kind)

    def template(self, kind: FileKind) -> bytes:
        """An empty list with an example."""
        return list_files.write([("lin@school.example", Role.USER, f"Class 1{_SEPARATOR}Chess", "zh_CN")], COLUMNS, kind)

    @needs("user:disable", "user:enable", "user:reset_password", "user:delete")
    def change_many(
        self, actor: Actor, user_ids: Sequence[str], change: Change, desktops: DesktopsOfDeleted | None = None
    ) -> Sequence[PersonOutcome]:
        """The same change of several accounts, each in a transaction of its own; one that is refused keeps no other back.

        Raises InvalidInput for more than :data:`MAX_AT_ONCE`.
        """
        wanted = list(dict.fromkeys(user_ids))
        if not wanted or len(wanted) > MAX_AT_ONCE:
            raise InvalidInput("These are too many people, or none.", fields={"ids": f"1 to {MAX_AT_ONCE} at once."})
        changes: Mapping[Change, Callable[[str], object]] = {
            Change.DISABLE: lambda user_id: self._people.disable(actor, user_id),
            Change.ENABLE: lambda user_id: self._people.enable(actor, user_id),
            Change.RESET: lambda user_id: self._people.reset_password(actor, user_id),
            Change.DELETE: lambda user_id: self._people.delete(actor, user_id, desktops),
        }
        outcomes: list[PersonOutcome] = []
        for user_id in wanted:
            try:
                done = changes[change](user_id)
                outcomes.append(PersonOutcome(user_id, access=done if isinstance(done, NewAccess) else None))
            except Refused as refusal:
                outcomes.append(PersonOutcome(user_id, refusal=refusal))
        return outcomes

    def _make(self, tx: Transaction, actor: Actor, wanted: Sequence[_Wanted]) -> Sequence[NewAccess]:
        now = self._clock.now()
        groups = {group.name: group.id for group in _groups(tx, actor)}
        made: list[NewAccess] = []
        for each in wanted:
            password = one_time_password(self._settings.password_min_length)
            user = User(
                id=new_id(),
                organization_id=actor.organization_id,
                email=each.email,
                role=each.role,
                password_hash=self._passwords.hash_one_time(password),
                must_change_password=True,
                language=each.language,
                created_at=now,
            )
            tx.add(user)
            after = {"email": each.email, "role": each.role, "groups": list(each.groups)}
            self._audit.record(tx, actor, "user:import", "user", user.id, owner_id=user.id, after=after)
            made.append(NewAccess(user_view(user), password))
        tx.flush()
        tx.add_all(
            GroupMember(group_id=groups[name], user_id=access.user.id, is_owner=False)
            for access, each in zip(made, wanted, strict=True)
            for name in each.groups
        )
        return made


def _check(tx: Session, actor: Actor, lines: Sequence[Line]) -> tuple[Sequence[LineOutcome], Sequence[_Wanted]]:
    groups = {group.name for group in _groups(tx, actor)}
    outcomes: list[LineOutcome] = []
    wanted: list[_Wanted] = []
    seen: dict[str, int] = {}
    for line in lines:
        try:
            each = _wanted(actor, line, groups)
            if each.email in seen:
                raise InvalidInput(f"The same address stands in line {seen[each.email]}.")
            seen[each.email] = line.number
            wanted.append(each)
            outcomes.append(LineOutcome(line.number, each.email, None))
        except Refused as refusal:
            reasons = refusal.fields.values() if isinstance(refusal, InvalidInput) and refusal.fields else [refusal.message]
            outcomes.append(LineOutcome(line.number, line.cells.get("email", "")[:255], " ".join(reasons)))
    taken = _taken(tx, list(seen))
    return [_unless_taken(outcome, taken, actor) for outcome in outcomes], wanted


def _wanted(actor: Actor, line: Line, groups: set[str]) -> _Wanted:
    email = normalized_email(line.cells["email"])
    role_name, language = line.cells.get("role", "") or Role.USER, line.cells.get("language", "") or None
    if role_name not in list(Role):
        raise InvalidInput(f"There is no role {role_name[:64]}.")
    role = Role(role_name)
    if not covers(grants_of(actor), GRANTS[role]):
        raise InvalidInput(f"You cannot give somebody the role {role}: it may do more than you.")
    if language is not None and language not in LANGUAGES:
        raise InvalidInput(f"There is no language {language[:64]}.")
    names = list(dict.fromkeys(name.strip() for name in line.cells.get("groups", "").split(_SEPARATOR) if name.strip()))
    unknown = [name for name in names if name not in groups]
    if unknown:
        raise InvalidInput(f"There is no group {unknown[0][:64]}.")
    return _Wanted(email, role, names, language)


def _taken(tx: Session, emails: Sequence[str]) -> Mapping[str, str]:
    """Addresses that have an account already, and the organization that it is in."""
    found: dict[str, str] = {}
    for start in range(0, len(emails), _BATCH):
        query = select(User.email, User.organization_id).where(User.email.in_(emails[start : start + _BATCH]))
        found |= {row[0]: row[1] for row in tx.execute(query)}
    return found


def _unless_taken(outcome: LineOutcome, taken: Mapping[str, str], actor: Actor) -> LineOutcome:
    if outcome.problem is not None or outcome.email not in taken:
        return outcome
    is_ours = taken[outcome.email] == actor.organization_id
    return LineOutcome(outcome.number, outcome.email, "There is such an account already." if is_ours else EMAIL_REFUSED)


def _groups(tx: Session, actor: Actor) -> Sequence[Group]:
    return tx.scalars(select(Group).where(Group.organization_id == actor.organization_id)).all()


def _group_names(tx: Session, actor: Actor) -> Mapping[str, Sequence[str]]:
    query = select(GroupMember.user_id, Group.name).join(Group, Group.id == GroupMember.group_id)
    found: dict[str, list[str]] = {}
    for user_id, name in tx.execute(query.where(Group.organization_id == actor.organization_id).order_by(Group.name)):
        found.setdefault(user_id, []).append(name)
    return found
