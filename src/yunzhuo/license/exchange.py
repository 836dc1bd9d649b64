"""Customers, their contacts and installations as one list: taken in whole or not at all, and taken away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from yunzhuo.license.customers import CustomerService
from yunzhuo.license.installations import InstallationService, NewCode, Terms, check_terms
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.phoenix.db.models import Organization, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.licenses import Limits
from yunzhuo.services import list_files
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.accounts import LANGUAGES, normalized_email
from yunzhuo.services.assembly import Services
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.list_files import FileKind, Line
from yunzhuo.services.people import NewAccess
from yunzhuo.services.rules import naming
from yunzhuo.services.rules.licensing import EDITIONS
from yunzhuo.services.stated import needs

LIMITS = tuple(Limits.model_fields)
COLUMNS = (
    *("customer", "contact", "language", "installation", "edition", "features"),
    *LIMITS,
    *("starts", "expires", "grace_days", "moves"),
)
#: At most so many lines: each is a customer, a person and an installation in one transaction.
MAX_LINES = 2000
_SEPARATOR = "|"
_LARGEST = 10**12
_LONGEST_GRACE = 366
_MOST_MOVES = 1000


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What was found of a line; ``problem`` None: it is right."""

    number: int
    customer: str
    installation: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Made:
    """What a line has made; codes and passwords are told this once."""

    customer: str
    contact: NewAccess | None
    installation: NewCode | None


@dataclass(frozen=True, slots=True)
class ExchangeReport:
    """What was found of each line. ``made`` is empty when it was only a try, and when one line is wrong."""

    lines: Sequence[LineOutcome]
    made: Sequence[Made]

    @property
    def problems(self) -> Sequence[LineOutcome]:
        """The lines that are wrong."""
        return [line for line in self.lines if line.problem]


@dataclass(frozen=True, slots=True)
class _Wanted:
    customer: str
    email: str | None
    language: str | None
    installation: str | None
    terms: Terms
    moves: int


class ExchangeService:
    """What vendor administrators do with the list of everything."""

    def __init__(
        self,
        db: Database,
        accounts: Services,
        customers: CustomerService,
        installations: InstallationService,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._db = db
        self._accounts = accounts
        self._customers = customers
        self._installations = installations
        self._audit = audit
        self._clock = clock

    @needs("license:change")
    @retried_when_contended
    def run(self, actor: Actor, content: bytes, kind: FileKind, *, dry_run: bool = False) -> ExchangeReport:
        """Make what a list says, all of it or nothing.

        A line is a customer (made when there is none of that name), a contact of theirs if one is named who is not there yet,
        and an installation if one is named. Raises InvalidInput when the file cannot be read, Conflict when somebody else made
        one of these things meanwhile.
        """
        lines = list_files.read(content, kind, COLUMNS, "customer")
        if len(lines) > MAX_LINES:
            raise InvalidInput("The list is too long.", code="file_too_large", fields={"file": f"At most {MAX_LINES} lines."})
        outcomes, wanted = self._check(actor, lines)
        if dry_run or any(outcome.problem for outcome in outcomes):
            return ExchangeReport(outcomes, ())
        # Hashing takes its time, and no transaction waits for it.
        itself = replace(actor, organization_id="")
        contacts = {
            each.email: self._accounts.people.new(itself, each.email, Role.ADMINISTRATOR, language=each.language)
            for each in wanted
            if each.email
        }
        try:
            with self._db.transaction() as tx:
                made = [self._make(tx, actor, each, contacts) for each in wanted]
                self._audit.record(tx, actor, "license:change", "list", None, after={"what": "import", "lines": len(made)})
        except IntegrityError as error:
            raise Conflict("made_meanwhile", "Somebody made one of these meanwhile; try again.") from error
        return ExchangeReport(outcomes, made)

    @needs("license:read")
    def export(self, actor: Actor, kind: FileKind) -> bytes:
        """All customers, contacts and installations as a list that can be taken in elsewhere, without keys and licenses."""
        rows: list[Sequence[object]] = []
        theirs: dict[str, list[Sequence[object]]] = {}
        for each in self._installations.list(actor):
            theirs.setdefault(each.customer_id, []).append((each.name, *_cells(each.terms), each.moves_allowed - each.moves))
        for customer in self._customers.list(actor):
            people = [(person.email, person.language or "") for person in self._customers.contacts(actor, customer.id)]
            installations = theirs.get(customer.id, [])
            for number in range(max(len(people), len(installations), 1)):
                contact = people[number] if number < len(people) else ("", "")
                own = installations[number] if number < len(installations) else [""] * (len(COLUMNS) - 3)
                rows.append((customer.name, *contact, *own))
        return list_files.write(rows, COLUMNS, kind)

    def template(self, kind: FileKind) -> bytes:
        """A list with its columns and an example."""
        limits = {"desktops": 100, "users": 2000}
        row = ["第一中学", "head@school.example", "zh_CN", "Main building", "school", ""]
        row += [str(limits.get(limit, "")) for limit in LIMITS]
        return list_files.write([[*row, "", f"{self._clock.now().year + 1}-08-31", 14, 2]], COLUMNS, kind)

    def _make(self, tx: Transaction, actor: Actor, each: _Wanted, contacts: Mapping[str, tuple[NewAccess, User]]) -> Made:
        found = tx.scalar(select(Organization.id).where(Organization.name == each.customer))
        customer_id = found or self._accounts.organizations.create_within(tx, actor, each.customer).id
        there, access = replace(actor, organization_id=customer_id), None
        if each.email is not None and not _is_contact(tx, each.email, customer_id):
            access, user = contacts[each.email]
            user.organization_id = customer_id
            self._accounts.people.add_within(tx, there, user)
            tx.flush()
        if each.installation is None:
            return Made(each.customer, access, None)
        made = self._installations.create_within(
            tx, actor, customer_id, each.installation, each.terms, moves_allowed=each.moves
        )
        return Made(each.customer, access, made)

    def _check(self, actor: Actor, lines: Sequence[Line]) -> tuple[Sequence[LineOutcome], Sequence[_Wanted]]:
        now = self._clock.now().replace(microsecond=0)
        names = {each.id: each.name for each in self._customers.list(actor)}
        seen = {(names.get(each.customer_id, ""), each.name): 0 for each in self._installations.list(actor)}
        owners, others = self._owners(names)
        outcomes: list[LineOutcome] = []
        wanted: list[_Wanted] = []
        for line in lines:
            customer, installation = line.cells.get("customer", "")[:255], line.cells.get("installation", "")[:255]
            try:
                each = _wanted(line, now)
                if each.customer in others:
                    raise InvalidInput("This name cannot be used.")
                _note(seen, owners, each, line.number)
                wanted.append(each)
                outcomes.append(LineOutcome(line.number, customer, installation, None))
            except InvalidInput as error:
                reason = " ".join(error.fields.values()) or error.message
                outcomes.append(LineOutcome(line.number, customer, installation, reason))
        return outcomes, wanted

    def _owners(self, names: Mapping[str, str]) -> tuple[dict[str, str], set[str]]:
        """Whose contact each address is, of the vendor's own people the empty name; and names that are no customers'."""
        with self._db.reading() as tx:
            found = tx.execute(select(User.email, User.organization_id).where(User.deleted_at.is_(None)))
            owners = {row[0]: names.get(row[1], "") for row in found}
            others = set(tx.scalars(select(Organization.name).where(Organization.id.not_in(names))))
        return owners, others


def _note(seen: dict[tuple[str, str], int], owners: dict[str, str], each: _Wanted, number: int) -> None:
    """Remember what a line makes. Raises InvalidInput when it is there already, or an earlier line makes it."""
    if each.email is not None and owners.setdefault(each.email, each.customer) != each.customer:
        raise InvalidInput(f"{each.email} has an account of somebody else's.")
    if each.installation is None:
        return
    before = seen.get((each.customer, each.installation))
    if before is not None:
        raise InvalidInput(f"Line {before} makes it already." if before else "This customer has this installation already.")
    seen[each.customer, each.installation] = number


def _wanted(line: Line, now: datetime) -> _Wanted:
    cells = line.cells
    language, contact = cells.get("language") or None, cells.get("contact") or None
    if language is not None and language not in LANGUAGES:
        raise InvalidInput(f"There is no language {language[:64]}.")
    name = cells.get("installation") or None
    if name is None and any(cells.get(column) for column in COLUMNS[COLUMNS.index("installation") :]):
        raise InvalidInput("It says what an installation may do, and names none.")
    edition = cells.get("edition") or "standard"
    features = [word.strip() for word in cells.get("features", "").split(_SEPARATOR) if word.strip()]
    starts = _time(cells.get("starts", ""), "starts") or now
    expires = _time(cells.get("expires", ""), "expires", is_last_day=True)
    if name is not None and expires is None:
        raise InvalidInput("An installation needs the day when its license ends (expires).")
    terms = Terms(
        edition=edition[:32],
        features=features or EDITIONS.get(edition, ()),
        limits=Limits(**{limit: _number(cells, limit, _LARGEST) for limit in LIMITS}),
        starts_at=starts,
        expires_at=expires or starts + timedelta(days=1),
        grace_days=_or(_number(cells, "grace_days", _LONGEST_GRACE), 14),
    )
    check_terms(terms)
    return _Wanted(
        naming.checked_name(cells["customer"]),
        normalized_email(contact) if contact else None,
        language,
        naming.checked_name(name) if name else None,
        terms,
        _or(_number(cells, "moves", _MOST_MOVES), 2),
    )


def _number(cells: Mapping[str, str], column: str, most: int) -> int | None:
    text = cells.get(column, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and int(text) <= most):
        raise InvalidInput(f"{column} is a whole number, at most {most}.")
    return int(text)


def _time(text: str, column: str, *, is_last_day: bool = False) -> datetime | None:
    """A day, which begins at midnight UTC and, as the last one, ends at the next; or a moment with its time zone."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.removesuffix(" 00:00:00"))  # as a spreadsheet writes a day
        if at.tzinfo is None and at.time() == time.min:
            return at.replace(tzinfo=UTC) + timedelta(days=1 if is_last_day else 0)
        if at.tzinfo is not None:
            return at.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(f"{column} is a day (2027-08-31), or a time with its zone (2027-08-31T16:00:00Z).")


def _cells(terms: Terms) -> Sequence[object]:
    limits = terms.limits.model_dump()
    return (
        terms.edition,
        _SEPARATOR.join(terms.features),
        *("" if limits[limit] is None else limits[limit] for limit in LIMITS),
        terms.starts_at.isoformat(),
        terms.expires_at.isoformat(),
        terms.grace_days,
    )


def _is_contact(tx: Transaction, email: str, customer_id: str) -> bool:
    return tx.scalar(select(User.id).where(User.email == email, User.organization_id == customer_id)) is not None


def _or(number: int | None, usual: int) -> int:
    return usual if number is None else number
