"""Accounts: who there is, signing in and out, passwords, API tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import available_timezones

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from sqlalchemy import Select, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, NotFound, NotSignedIn
from yunzhuo.phoenix.common.ids import new_id, new_secret
from yunzhuo.phoenix.config.settings import AccountSettings
from yunzhuo.phoenix.db.models import ApiToken, AuthSession, Organization, User
from yunzhuo.phoenix.db.session import Database, Transaction
from yunzhuo.phoenix.security.passwords import Passwords
from yunzhuo.phoenix.security.secrets import digest
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.attempts import AttemptCounter
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.stated import needs

DEFAULT_ORGANIZATION = "default"
LANGUAGES = ("en", "zh_CN")
_REGIONS = frozenset(
    {"Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"}
)
_MAX_PASSWORD = 256  # argon2 takes any length; a bound keeps a request's cost bounded
WRONG_CREDENTIALS = "The address or the password is wrong."

# Closed networks use names like school.local or example.test. Emptying this list is the library's own way to allow them.
SPECIAL_USE_DOMAIN_NAMES.clear()


@dataclass(frozen=True, slots=True)
class UserView:
    """A person, without anything secret."""

    id: str
    organization_id: str
    email: str
    role: Role
    language: str | None
    time_zone: str | None
    must_change_password: bool
    is_disabled: bool
    created_at: datetime

    def actor(self, *, client_address: str | None = None, request_id: str | None = None) -> Actor:
        """This person as the one who asks."""
        return Actor(self.id, self.organization_id, self.email, self.role, client_address, request_id)


@dataclass(frozen=True, slots=True)
class Granted:
    """A secret that is told once: a session's or a token's. ``user`` is whom it stands for."""

    secret: str
    expires_at: datetime
    user: UserView


class AccountService:
    """One user system for pages, API and command line."""

    def __init__(
        self,
        db: Database,
        attempts: AttemptCounter,
        audit: AuditLog,
        clock: Clock,
        settings: AccountSettings,
        passwords: Passwords,
    ) -> None:
        self._db = db
        self._attempts = attempts
        self._audit = audit
        self._clock = clock
        self._settings = settings
        self._passwords = passwords

    @property
    def registration_is_open(self) -> bool:
        """Whether people may register themselves."""
        return self._settings.registration == "open"

    def register(
        self, email: str, password: str, *, language: str | None = None, client_address: str | None = None
    ) -> UserView:
        """Make an account for whoever asks, with the role user.

        Raises Forbidden when registration is closed, InvalidInput, Conflict when the address is taken.
        """
        if not self.registration_is_open:
            raise Forbidden("registration_closed", "Registration is closed; ask your administrator for an account.")
        self._attempts.check_client(client_address)
        return self._add(email, password, Role.USER, language=language, verb="user:register", client_address=client_address)

    def add(self, email: str, password: str, role: Role, *, must_change_password: bool = False) -> UserView:
        """Make an account on the installation's own behalf (command line, first start). Raises InvalidInput, Conflict."""
        return self._add(email, password, role, must_change_password=must_change_password)

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

    def sign_in(self, email: str, password: str, *, client_address: str) -> Granted:
        """Begin a browser session. Raises NotSignedIn (same words and time whatever was wrong), TooManyAttempts."""
        user = self._verified(email, password, client_address)
        secret, now = new_secret(), self._clock.now()
        expires_at = now + timedelta(seconds=self._settings.session_seconds)
        with self._db.transaction() as tx:
            session = AuthSession(
                id=new_id(),
                organization_id=user.organization_id,
                user_id=user.id,
                secret_digest=digest(secret),
                client_address=client_address,
                created_at=now,
                expires_at=expires_at,
            )
            tx.add(session)
            self._audit.record(tx, user.actor(client_address=client_address), "session:create", "session", session.id)
        return Granted(secret, expires_at, user)

    def session_user(self, secret: str) -> UserView:
        """Whose session this is. Raises NotSignedIn when it ended or its user was disabled."""
        now = self._clock.now()
        query = (
            select(User)
            .join(AuthSession, AuthSession.user_id == User.id)
            .where(AuthSession.secret_digest == digest(secret), AuthSession.ended_at.is_(None), AuthSession.expires_at > now)
        )
        return self._enabled(query)

    def sign_out(self, secret: str) -> None:
        """End a browser session; one that is not there is no error."""
        with self._db.transaction() as tx:
            tx.execute(
                update(AuthSession)
                .where(AuthSession.secret_digest == digest(secret), AuthSession.ended_at.is_(None))
                .values(ended_at=self._clock.now())
            )

    def create_token(self, email: str, password: str, *, client_address: str) -> Granted:
        """Make an API token. Raises as :meth:`sign_in`, and Forbidden while a one-time password waits to be changed."""
        user = self._verified(email, password, client_address)
        if user.must_change_password:
            raise Forbidden("password_change_required", "Sign in to the portal and choose a password of your own first.")
        secret, now = f"yz_{new_secret()}", self._clock.now()
        expires_at = now + timedelta(seconds=self._settings.token_seconds)
        with self._db.transaction() as tx:
            token = ApiToken(
                id=new_id(),
                organization_id=user.organization_id,
                user_id=user.id,
                secret_digest=digest(secret),
                created_at=now,
                expires_at=expires_at,
            )
            tx.add(token)
            self._audit.record(tx, user.actor(client_address=client_address), "token:create", "token", token.id)
        return Granted(secret, expires_at, user)

    def token_user(self, secret: str) -> UserView:
        """Whose token this is. Raises NotSignedIn when it ended, was revoked, or its user was disabled."""
        now = self._clock.now()
        query = (
            select(User)
            .join(ApiToken, ApiToken.user_id == User.id)
            .where(ApiToken.secret_digest == digest(secret), ApiToken.revoked_at.is_(None), ApiToken.expires_at > now)
        )
        return self._enabled(query)

    @needs("token:revoke")
    def revoke_token(self, actor: Actor, secret: str) -> None:
        """End the token the actor came with."""
        with self._db.transaction() as tx:
            tx.execute(
                update(ApiToken)
                .where(ApiToken.secret_digest == digest(secret), ApiToken.revoked_at.is_(None))
                .values(revoked_at=self._clock.now())
            )
            self._audit.record(tx, actor, "token:revoke", "token", None)

    @needs("account:change_password")
    def change_password(self, actor: Actor, present: str, chosen: str, *, keep_session: str | None = None) -> None:
        """Replace the actor's password; every other session and token of theirs ends.

        Raises InvalidInput when the present one is wrong or the chosen one is too weak or the same, TooManyAttempts.
        """
        self._attempts.check(actor.email, actor.client_address)
        with self._db.reading() as tx:
            present_hash = tx.get_one(User, actor.user_id).password_hash
        if not self._passwords.fits(present_hash, present):
            self._attempts.count(actor.email, actor.client_address)
            raise InvalidInput("The password was not changed.", fields={"present": "This is not your present password."})
        if chosen == present:
            raise InvalidInput("The password was not changed.", fields={"chosen": "Choose another one than before."})
        chosen_hash, now = self._passwords.hash(checked_password(chosen, self._settings, field="chosen")), self._clock.now()
        with self._db.transaction() as tx:
            user = tx.get_one(User, actor.user_id)
            user.password_hash, user.must_change_password = chosen_hash, False
            end_sign_ins(tx, user.id, now, keep_session=keep_session)
            self._audit.record(tx, actor, "user:change_password", "user", user.id)

    @needs("account:update")
    def choose_language(self, actor: Actor, language: str) -> None:
        """Remember the language a person reads. Raises InvalidInput for one we do not have."""
        if language not in LANGUAGES:
            raise InvalidInput("There is no such language.", fields={"language": f"One of {', '.join(LANGUAGES)}."})
        with self._db.transaction() as tx:
            tx.get_one(User, actor.user_id).language = language

    @needs("account:update")
    def choose_time_zone(self, actor: Actor, time_zone: str | None) -> None:
        """Remember the time zone in which a person reads times; None: UTC. Raises InvalidInput for one that there is not."""
        if time_zone is not None and time_zone not in time_zones():
            raise InvalidInput("There is no such time zone.", fields={"time_zone": "A name like Asia/Shanghai."})
        with self._db.transaction() as tx:
            tx.get_one(User, actor.user_id).time_zone = time_zone

    def default_organization_id(self) -> str:
        """The organization everybody belongs to for now; made on first use."""
        with self._db.reading() as tx:
            found = tx.scalar(select(Organization.id).where(Organization.is_default.is_(True)))
        if found is not None:
            return found
        with self._db.transaction() as tx:
            return self._default_organization(tx).id

    def _verified(self, email: str, password: str, client_address: str) -> UserView:
        self._attempts.check(email, client_address)
        with self._db.reading() as tx:
            row = tx.scalar(select(User).where(User.email == _folded(email)))
            is_let_in = row is not None and _is_let_in(tx, row)
            user, password_hash = (user_view(row), row.password_hash) if row else (None, self._passwords.nobodys_hash)
        fits = self._passwords.fits(password_hash, password[: _MAX_PASSWORD + 1])
        if user is None or not fits or not is_let_in:
            self._attempts.count(email, client_address)
            raise NotSignedIn("wrong_credentials", WRONG_CREDENTIALS)
        self._attempts.forget(email)
        if self._passwords.needs_rehash(password_hash):
            with self._db.transaction() as tx:
                tx.get_one(User, user.id).password_hash = self._passwords.hash(password)
        return user

    def _enabled(self, query: Select[User]) -> UserView:
        with self._db.reading() as tx:
            row = tx.scalar(query)
            if row is None or not _is_let_in(tx, row):
                raise NotSignedIn("not_signed_in", "Please sign in.")
            return user_view(row)

    def _add(
        self,
        email: str,
        password: str,
        role: Role,
        *,
        language: str | None = None,
        must_change_password: bool = False,
        verb: str = "user:create",
        client_address: str | None = None,
    ) -> UserView:
        address = normalized_email(email)
        password_hash = self._passwords.hash(checked_password(password, self._settings))
        try:
            with self._db.transaction() as tx:
                user = User(
                    id=new_id(),
                    organization_id=self._default_organization(tx).id,
                    email=address,
                    role=role,
                    password_hash=password_hash,
                    must_change_password=must_change_password,
                    language=language if language in LANGUAGES else None,
                    created_at=self._clock.now(),
                )
                tx.add(user)
                actor = replace(user_view(user).actor(), client_address=client_address)
                self._audit.record(tx, actor, verb, "user", user.id)
        except IntegrityError as error:
            raise Conflict("email_taken", f"There is an account {address} already.") from error
        return user_view(user)

    def _default_organization(self, tx: Transaction) -> Organization:
        found = tx.scalar(select(Organization).where(Organization.is_default.is_(True)))
        if found is None:
            found = Organization(id=new_id(), name=DEFAULT_ORGANIZATION, is_default=True, created_at=self._clock.now())
            tx.add(found)
            tx.flush()
        return found


def _is_let_in(tx: Session, user: User) -> bool:
    """Whether neither the account nor its organization is disabled."""
    return user.disabled_at is None and tx.get_one(Organization, user.organization_id).disabled_at is None


def checked_password(password: str, settings: AccountSettings, *, field: str = "password") -> str:
    """The password, if it is neither too short nor too long. Raises InvalidInput for ``field``."""
    if len(password) < settings.password_min_length:
        reason = f"A password has at least {settings.password_min_length} characters."
        raise InvalidInput("The password is too short.", fields={field: reason})
    if len(password) > _MAX_PASSWORD:
        raise InvalidInput("The password is too long.", fields={field: f"A password has at most {_MAX_PASSWORD} characters."})
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


def _folded(email: str) -> str:
    """The address as it would be kept, or as it came when it could not be one: then nobody has it."""
    try:
        return normalized_email(email)
    except InvalidInput:
        return email[:255]


def end_sign_ins(tx: Transaction, user_id: str, now: datetime, *, keep_session: str | None = None) -> None:
    """End a person's sessions and tokens, all but the session with the secret ``keep_session``."""
    sessions = update(AuthSession).where(AuthSession.user_id == user_id, AuthSession.ended_at.is_(None))
    if keep_session is not None:
        sessions = sessions.where(AuthSession.secret_digest != digest(keep_session))
    tx.execute(sessions.values(ended_at=now))
    tokens = update(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    tx.execute(tokens.values(revoked_at=now))


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
    )
