"""Accounts: who there is, what they are called and how they like their pages, and their passwords."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import TypeVarTuple
from zoneinfo import available_timezones

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from sqlalchemy import Row, Select, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.config.people_settings import AccountSettings
from yunzhuo.phoenix.db.models import ApiToken, AuthSession, Event, Organization, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.passwords import Passwords
from yunzhuo.phoenix.security.secrets import digest
from yunzhuo.services.access import RUN_AN_ORGANIZATION, Actor, Role
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.letter_words import Kind
from yunzhuo.services.license_book import LicenseBook
from yunzhuo.services.mailing import Outbox
from yunzhuo.services.proofs import until
from yunzhuo.services.rules.guessing import is_easily_guessed
from yunzhuo.services.stated import needs
from yunzhuo.services.step_up import StepUp, renewed

_Columns = TypeVarTuple("_Columns")

DEFAULT_ORGANIZATION = "default"
ACCESS_ENDED = "access.ended"
LANGUAGES = ("en", "zh_CN")
_REGIONS = frozenset(
    {"Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"}
)
_ASKED_AT_ONCE = 400  # SQLite and MariaDB take many more values in one statement
MAX_PASSWORD = 256  # argon2 takes any length; a bound keeps a request's cost bounded

# Closed networks use names like school.local or example.test. Emptying this list is the library's own way to allow them.
SPECIAL_USE_DOMAIN_NAMES.clear()


@dataclass(frozen=True, slots=True)
class UserView:
    """A person, without anything secret.

    ``must_enroll``: there is something that this person has to have before anything else, a second factor. ``scopes`` are
    the verbs of the token that they came with; None: they did not come with one that has limits.
    """

    id: str
    organization_id: str
    email: str
    role: Role
    language: str | None
    time_zone: str | None
    must_change_password: bool
    is_disabled: bool
    created_at: datetime
    has_second_factor: bool = False
    is_service: bool = False
    must_enroll: bool = False
    scopes: frozenset[str] | None = None

    def actor(self, *, client_address: str | None = None, request_id: str | None = None) -> Actor:
        """This person as the one who asks."""
        return Actor(self.id, self.organization_id, self.email, self.role, client_address, request_id, self.scopes)


@dataclass(frozen=True, slots=True)
class Granted:
    """A secret that is told once: a session's or a token's. ``user`` is whom it stands for.

    A session that ``awaits_factor`` is nobody's yet: :class:`SignInService` finishes it.
    """

    secret: str
    expires_at: datetime
    user: UserView
    awaits_factor: bool = False
    is_remembered: bool = False
    id: str = ""


class Views:
    """Makes views of whoever comes in: what somebody has to have is the settings' to say."""

    def __init__(self, settings: AccountSettings) -> None:
        self._wanted = settings.second_factor

    def of(self, row: User, *, scopes: frozenset[str] | None = None) -> UserView:
        """A row as whoever came in is seen."""
        is_asked = self._wanted == "everybody" or (self._wanted == "administrators" and row.role in RUN_AN_ORGANIZATION)
        must_enroll = is_asked and not row.has_second_factor and not row.is_service
        return replace(user_view(row), must_enroll=must_enroll, scopes=scopes)


class AccountService:
    """One user system for pages, API and command line."""

    def __init__(
        self,
        db: Database,
        audit: AuditLog,
        outbox: Outbox,
        step_up: StepUp,
        clock: Clock,
        settings: AccountSettings,
        passwords: Passwords,
        license_book: LicenseBook,
    ) -> None:
        self._license = license_book
        self._db = db
        self._audit = audit
        self._outbox = outbox
        self._step_up = step_up
        self._clock = clock
        self._settings = settings
        self._passwords = passwords

    @retried_when_contended
    def add(self, email: str, password: str, role: Role, *, must_change_password: bool = False) -> UserView:
        """Make an account on the installation's own behalf (command line, first start). Raises InvalidInput, Conflict."""
        address = normalized_email(email)
        password_hash = self._passwords.hash(checked_password(password, self._settings, email=address))
        with self._db.transaction() as tx:
            user = self.add_within(tx, address, password_hash, role, must_change_password=must_change_password)
            self._audit.record(tx, user_view(user).actor(), "user:create", "user", user.id)
            return user_view(user)

    def by_email(self, email: str) -> UserView:
        """The account with this address, for the installation's own use. Raises NotFound."""
        with self._db.reading() as tx:
            row = tx.scalar(select(User).where(User.email == normalized_email(email)))
            if row is None:
                raise NotFound("user_not_found", f"There is no account {email}.")
            return user_view(row)

    def all(self) -> Sequence[UserView]:
        """Everybody, by address, for the installation's own use."""
        with self._db.reading() as tx:
            return [user_view(row) for row in tx.scalars(select(User).where(User.deleted_at.is_(None)).order_by(User.email))]

    @needs("account:change_password")
    @retried_when_contended
    def change_password(self, actor: Actor, present: str, chosen: str, *, keep_session: str | None = None) -> str | None:
        """Replace the actor's password; every other session and token of theirs ends.

        The session that is kept goes on under the secret that is answered.

        Raises InvalidInput when the present one is wrong or the chosen one is too weak or the same, TooManyAttempts.
        """
        self._step_up.by_password(actor, present, field="present")
        if chosen == present:
            raise InvalidInput("The password was not changed.", fields={"chosen": "Choose another one than before."})
        with self._db.reading() as tx:
            email = tx.get_one(User, actor.user_id).email
        chosen_hash = self._passwords.hash(checked_password(chosen, self._settings, email=email, field="chosen"))
        now = self._clock.now()
        with self._db.transaction() as tx:
            user = tx.get_one(User, actor.user_id)
            user.password_hash, user.must_change_password = chosen_hash, False
            end_sign_ins(tx, user.id, now, keep_session=keep_session)
            self._audit.record(tx, actor, "user:change_password", "user", user.id)
            self._outbox.put(tx, Kind.PASSWORD_CHANGED, user.email, user.language, {"at": until(now)})
            return renewed(tx, keep_session) if keep_session else None

    @needs("account:update")
    @retried_when_contended
    def choose_language(self, actor: Actor, language: str) -> None:
        """Remember the language a person reads. Raises InvalidInput for one we do not have."""
        if language not in LANGUAGES:
            raise InvalidInput("There is no such language.", fields={"language": f"One of {', '.join(LANGUAGES)}."})
        with self._db.transaction() as tx:
            tx.get_one(User, actor.user_id).language = language

    @needs("account:update")
    @retried_when_contended
    def choose_time_zone(self, actor: Actor, time_zone: str | None) -> None:
        """Remember the time zone in which a person reads times; None: UTC. Raises InvalidInput for one that there is not."""
        if time_zone is not None and time_zone not in time_zones():
            raise InvalidInput("There is no such time zone.", fields={"time_zone": "A name like Asia/Shanghai."})
        with self._db.transaction() as tx:
            tx.get_one(User, actor.user_id).time_zone = time_zone

    @retried_when_contended
    def default_organization_id(self) -> str:
        """The organization everybody belongs to for now; made on first use."""
        with self._db.reading() as tx:
            found = tx.scalar(select(Organization.id).where(Organization.is_default.is_(True)))
        if found is not None:
            return found
        with self._db.transaction() as tx:
            return self._default_organization(tx).id

    def add_within(
        self,
        tx: Transaction,
        address: str,
        password_hash: str,
        role: Role,
        *,
        organization_id: str | None = None,
        language: str | None = None,
        must_change_password: bool = False,
        is_service: bool = False,
    ) -> User:
        """A new account as part of ``tx``, without an audit entry. Raises Conflict when the (normalized) address is taken, and
        LimitReached when the license has no room for it."""
        if not is_service:
            self._license.reserve_user(tx)
        user = User(
            id=new_id(),
            organization_id=organization_id or self._default_organization(tx).id,
            email=address,
            role=role,
            password_hash=password_hash,
            must_change_password=must_change_password,
            has_second_factor=False,
            is_service=is_service,
            language=language if language in LANGUAGES else None,
            created_at=self._clock.now(),
        )
        tx.add(user)
        try:
            tx.flush()
        except IntegrityError as error:
            raise Conflict("email_taken", f"There is an account {address} already.") from error
        return user

    def _default_organization(self, tx: Transaction) -> Organization:
        default = select(Organization).where(Organization.is_default.is_(True))
        found = tx.scalar(default)
        if found is not None:
            return found
        made = Organization(id=new_id(), name=DEFAULT_ORGANIZATION, is_default=True, created_at=self._clock.now())
        try:
            with tx.begin_nested():
                tx.add(made)
        except IntegrityError:  # another process was first
            return tx.scalars(default).one()
        return made


def is_let_in(tx: Session, user: User) -> bool:
    """Whether neither the account nor its organization is disabled."""
    return user.disabled_at is None and tx.get_one(Organization, user.organization_id).disabled_at is None


def let_in_among(
    db: Database, query: Select[str, *_Columns], column: InstrumentedAttribute[str], secrets: Collection[str]
) -> Iterator[tuple[str, Row[str, *_Columns]]]:
    """Each secret whose digest ``query`` finds in ``column``, with its row, where neither the user nor the organization is
    disabled: a few statements for thousands."""
    by_digest = {digest(secret): secret for secret in secrets}
    digests = list(by_digest)
    wanted = query.join(Organization, Organization.id == User.organization_id).where(
        User.disabled_at.is_(None), Organization.disabled_at.is_(None)
    )
    for first in range(0, len(digests), _ASKED_AT_ONCE):
        with db.reading() as tx:
            for row in tx.execute(wanted.where(column.in_(digests[first : first + _ASKED_AT_ONCE]))):
                yield by_digest[row[0]], row


def checked_password(password: str, settings: AccountSettings, *, email: str, field: str = "password") -> str:
    """The password, if it is neither too short nor too long nor easily guessed, also by who knows its owner's address.

    Raises InvalidInput for ``field``.
    """
    if len(password) < settings.password_min_length:
        reason = f"A password has at least {settings.password_min_length} characters."
        raise InvalidInput("The password is too short.", code="password_too_short", fields={field: reason})
    if len(password) > MAX_PASSWORD:
        raise InvalidInput("The password is too long.", fields={field: f"A password has at most {MAX_PASSWORD} characters."})
    if is_easily_guessed(password, [email]):
        reason = "It is among those that are tried first. Make it longer, or of words that do not belong together."
        raise InvalidInput("The password is too easy to guess.", code="password_too_common", fields={field: reason})
    return password


@cache
def time_zones() -> frozenset[str]:
    """The zones that a person can choose: those named after a place, as the system's time zone database has them."""
    return frozenset(zone for zone in available_timezones() if zone.partition("/")[0] in _REGIONS)


def normalized_email(email: str) -> str:
    """The form in which an address is kept and compared.

    Addresses of closed networks (``name@school.local``) are valid: only the form is checked. Raises InvalidInput.
    """
    try:
        checked = validate_email(email.strip(), check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise InvalidInput("The address is not valid.", fields={"email": str(error)}) from error
    return checked.normalized.lower()


def folded_email(email: str) -> str:
    """The address as it would be kept, or as it came when it could not be one: then nobody has it."""
    try:
        return normalized_email(email)
    except InvalidInput:
        return email[:255]


def end_sign_ins(tx: Transaction, user_id: str, now: datetime, *, keep_session: str | None = None) -> None:
    """End a person's sessions and tokens, all but the session with the secret ``keep_session``; what they have open hears
    of it at once."""
    sessions = update(AuthSession).where(AuthSession.user_id == user_id, AuthSession.ended_at.is_(None))
    if keep_session is not None:
        sessions = sessions.where(AuthSession.secret_digest != digest(keep_session))
    tx.execute(sessions.values(ended_at=now))
    tokens = update(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    tx.execute(tokens.values(revoked_at=now))
    access_ended(tx, user_id, now)


def access_ended(tx: Transaction, user_id: str, now: datetime) -> None:
    """Let the streams that somebody has open be looked at now: something that let them in has ended."""
    organization_id = tx.get_one(User, user_id).organization_id
    tx.add(Event(organization_id=organization_id, user_id=user_id, kind=ACCESS_ENDED, object_id=user_id, data={}, at=now))


def user_view(row: User) -> UserView:
    """A row as people see it."""
    return UserView(
        id=row.id,
        organization_id=row.organization_id,
        email=row.email,
        role=Role(row.role),
        language=row.language,
        time_zone=row.time_zone,
        must_change_password=row.must_change_password,
        is_disabled=row.disabled_at is not None,
        created_at=row.created_at,
        has_second_factor=bool(row.has_second_factor),
        is_service=bool(row.is_service),
    )
