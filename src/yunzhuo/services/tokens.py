"""API tokens: named, narrower than their user's role where wanted, ending, revocable, told once; and service accounts, which
are users that have nothing else."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, NotFound, NotSignedIn
from yunzhuo.phoenix.common.ids import new_id, new_secret
from yunzhuo.phoenix.config.people_settings import AccountSettings
from yunzhuo.phoenix.db.models import ApiToken, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.secrets import digest
from yunzhuo.services.access import READ_ONLY, Actor, Role, grants_of, verbs_of, within
from yunzhuo.services.accounts import (
    AccountService,
    Granted,
    UserView,
    Views,
    access_ended,
    is_let_in,
    let_in_among,
    normalized_email,
    user_view,
)
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.license_book import LicenseBook
from yunzhuo.services.rules.licensing import Feature
from yunzhuo.services.rules.naming import checked_name
from yunzhuo.services.sign_ins import SignInService
from yunzhuo.services.stated import needs
from yunzhuo.services.subordinates import found_person, require_no_more_rights, require_to_cover, taken

MAX_TOKENS = 100
_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token without its secret. ``verbs`` None: all that its user may do."""

    id: str
    name: str
    verbs: Sequence[str] | None
    created_at: datetime
    last_used_at: datetime | None
    last_used_from: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TokenWish:
    """What a token is to be like. ``verbs`` None: all that its user may do; ``seconds`` None: as long as the settings say."""

    name: str
    verbs: Collection[str] | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made, with its secret, told this once."""

    secret: str
    token: TokenView


class TokenService:
    """Makes, looks up and revokes tokens."""

    def __init__(
        self,
        db: Database,
        accounts: AccountService,
        sign_ins: SignInService,
        audit: AuditLog,
        clock: Clock,
        settings: AccountSettings,
        views: Views,
        license_book: LicenseBook,
    ) -> None:
        self._license = license_book
        self._db = db
        self._accounts = accounts
        self._sign_ins = sign_ins
        self._audit = audit
        self._clock = clock
        self._settings = settings
        self._views = views

    def create_with_password(
        self, email: str, password: str, *, client_address: str, code: str | None = None, wish: TokenWish | None = None
    ) -> Granted:
        """Make a token for whoever knows the password, and the code where there is a second factor.

        Raises as :meth:`SignInService.sign_in`; Forbidden while a one-time password waits to be changed, while a second
        factor is demanded and not there, and (``code_needed``) while there is one and no code was given.
        """
        user = self._sign_ins.verified(email, password, client_address=client_address)
        if user.must_change_password:
            raise Forbidden("password_change_required", "Sign in to the portal and choose a password of your own first.")
        if user.must_enroll:
            raise Forbidden("second_factor_required", "Sign in to the portal and set up a second factor first.")
        if user.has_second_factor:
            if code is None:
                raise Forbidden("code_needed", "Give a code of your authenticator app, too.")
            self._sign_ins.accept_code(user, code, client_address=client_address)
        actor = user.actor(client_address=client_address)
        wish = wish or TokenWish("")
        # What only signs somebody in is no program's token: the command line and the first look at the API live on it.
        made = self._make(actor, user, wish, is_licensed=wish == TokenWish(""))
        return Granted(made.secret, made.token.expires_at, user, id=made.token.id)

    @needs("token:create")
    def create(self, actor: Actor, wish: TokenWish, *, present: str | None = None) -> NewToken:
        """Make a token for oneself. With a token (``present``) only one that may no more and ends no later.

        Raises InvalidInput, Forbidden (``broader_token``), Conflict when there are too many, LimitReached when the license
        has no API tokens.
        """
        with self._db.reading() as tx:
            user = user_view(tx.get_one(User, actor.user_id))
        return self._make(actor, user, wish, ends_by=self._end_of(present) if present else None)

    @needs("user:manage_tokens")
    def create_for(self, actor: Actor, user_id: str, wish: TokenWish) -> NewToken:
        """Make a token for a service account. Raises NotFound, and Conflict for a person: theirs are theirs to make."""
        with self._db.reading() as tx:
            user = found_person(tx, actor, user_id, "user:manage_tokens")
            if not user.is_service:
                raise Conflict("not_a_service", "People make their tokens themselves.")
            require_no_more_rights(tx, actor, user, "user:manage_tokens", self._clock.now())
        return self._make(actor, user_view(user), wish)

    @needs("token:read")
    def list(self, actor: Actor) -> Sequence[TokenView]:
        """The actor's own that still count, the newest first."""
        return self._of(actor.user_id)

    @needs("user:manage_tokens")
    def list_of(self, actor: Actor, user_id: str) -> Sequence[TokenView]:
        """Somebody else's, for administrators. Raises NotFound."""
        with self._db.reading() as tx:
            found_person(tx, actor, user_id, "user:manage_tokens")
        return self._of(user_id)

    @needs("token:revoke")
    def revoke(self, actor: Actor, token_id: str) -> None:
        """End one of the actor's own. Raises NotFound."""
        self._revoke(actor, actor.user_id, token_id)

    @needs("user:manage_tokens")
    def revoke_of(self, actor: Actor, user_id: str, token_id: str) -> None:
        """End one of somebody else's, for administrators. Raises NotFound."""
        with self._db.reading() as tx:
            user = found_person(tx, actor, user_id, "user:manage_tokens")
            require_no_more_rights(tx, actor, user, "user:manage_tokens", self._clock.now())
        self._revoke(actor, user_id, token_id)

    @retried_when_contended
    def revoke_present(self, actor: Actor, secret: str) -> None:
        """End the token that the actor came with: every token may do that."""
        with self._db.transaction() as tx:
            tx.execute(
                update(ApiToken)
                .where(ApiToken.secret_digest == digest(secret), ApiToken.revoked_at.is_(None))
                .values(revoked_at=self._clock.now())
            )
            self._audit.record(tx, actor, "token:revoke", "token", None)

    @retried_when_contended
    def user(self, secret: str, *, client_address: str | None = None) -> UserView:
        """Whose token this is, with its limits. Raises NotSignedIn when it ended, was revoked, or its user was disabled;
        Forbidden while its user has to set up a second factor first."""
        now = self._clock.now()
        query = (
            select(User, ApiToken)
            .join(ApiToken, ApiToken.user_id == User.id)
            .where(ApiToken.secret_digest == digest(secret), ApiToken.revoked_at.is_(None), ApiToken.expires_at > now)
        )
        with self._db.reading() as tx:
            found = tx.execute(query).one_or_none()
            if found is None or not is_let_in(tx, found[0]):
                raise NotSignedIn("not_signed_in", "Please sign in.")
            token: ApiToken = found[1]
            view = self._view_of(found[0], token)
        if view.must_enroll:
            raise Forbidden("second_factor_required", "Sign in to the portal and set up a second factor first.")
        if token.last_used_at is None or now - token.last_used_at >= _USED_EVERY:
            with self._db.transaction() as writing:
                values = {"last_used_at": now} | ({"last_used_from": client_address} if client_address else {})
                writing.execute(update(ApiToken).where(ApiToken.id == token.id).values(values))
        return view

    @retried_when_contended
    def users(self, secrets: Collection[str]) -> Mapping[str, UserView]:
        """Whose tokens these are, as :meth:`user` would say, by secret, without noting that they were used. What does not count
        is left out."""
        query = (
            select(ApiToken.secret_digest, User, ApiToken)
            .join(ApiToken, ApiToken.user_id == User.id)
            .where(ApiToken.revoked_at.is_(None), ApiToken.expires_at > self._clock.now())
        )
        found = let_in_among(self._db, query, ApiToken.secret_digest, secrets)
        views = {secret: self._view_of(row[1], row[2]) for secret, row in found}
        return {secret: view for secret, view in views.items() if not view.must_enroll}

    @needs("user:create")
    @retried_when_contended
    def add_service(self, actor: Actor, email: str, role: Role) -> UserView:
        """Make a service account: a user with an address for a name, without a password. Raises InvalidInput, Conflict."""
        require_to_cover(actor, role)
        address = normalized_email(email)
        with self._db.transaction() as tx:
            if tx.scalar(select(User.id).where(User.email == address)) is not None:
                raise taken(tx, actor, address)
            user = self._accounts.add_within(tx, address, "", role, organization_id=actor.organization_id, is_service=True)
            after = {"email": address, "role": role, "is_service": True}
            self._audit.record(tx, actor, "user:create", "user", user.id, after=after)
            return user_view(user)

    @retried_when_contended
    def _make(
        self, actor: Actor, user: UserView, wish: TokenWish, *, ends_by: datetime | None = None, is_licensed: bool = False
    ) -> NewToken:
        name = checked_name(wish.name) if wish.name else ""
        verbs = _checked_verbs(actor if actor.user_id == user.id else None, user.role, wish.verbs)
        seconds = wish.seconds if wish.seconds is not None else self._settings.token_seconds
        if not 0 < seconds <= self._settings.token_max_seconds:
            reason = f"From 1 second to {self._settings.token_max_seconds:.0f} seconds."
            raise InvalidInput("A token cannot last that long.", fields={"expires_in_seconds": reason})
        secret, now = f"yz_{new_secret()}", self._clock.now()
        expires_at = now + timedelta(seconds=seconds)
        token = ApiToken(
            id=new_id(),
            organization_id=user.organization_id,
            user_id=user.id,
            name=name,
            secret_digest=digest(secret),
            verbs=verbs,
            created_at=now,
            last_used_at=None,
            last_used_from=None,
            expires_at=min(expires_at, ends_by) if ends_by else expires_at,
        )
        with self._db.transaction() as tx:
            if not is_licensed:
                self._license.require_feature(tx, Feature.API_TOKENS)
            self._require_room(tx, user.id, now)
            tx.add(token)
            after = {"name": name, "verbs": verbs, "user": user.email}
            self._audit.record(tx, actor, "token:create", "token", token.id, after=after)
        return NewToken(secret, _view(token))

    def _view_of(self, user: User, token: ApiToken) -> UserView:
        return self._views.of(user, scopes=None if token.verbs is None else frozenset(token.verbs))

    def _require_room(self, tx: Transaction, user_id: str, now: datetime) -> None:
        live = select(ApiToken.id).where(
            ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > now, ApiToken.name != ""
        )
        if len(tx.scalars(live).all()) >= MAX_TOKENS:
            raise Conflict("too_many_tokens", f"There are {MAX_TOKENS} tokens already; revoke one first.")

    def _end_of(self, secret: str) -> datetime:
        with self._db.reading() as tx:
            ends = tx.scalar(select(ApiToken.expires_at).where(ApiToken.secret_digest == digest(secret)))
        if ends is None:
            raise NotSignedIn("not_signed_in", "Please sign in.")
        return ends

    def _of(self, user_id: str) -> Sequence[TokenView]:
        query = select(ApiToken).where(
            ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > self._clock.now()
        )
        with self._db.reading() as tx:
            return [_view(row) for row in tx.scalars(query.order_by(ApiToken.created_at.desc(), ApiToken.id))]

    @retried_when_contended
    def _revoke(self, actor: Actor, user_id: str, token_id: str) -> None:
        with self._db.transaction() as tx:
            ended = tx.execute(
                update(ApiToken)
                .where(ApiToken.id == token_id, ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
                .values(revoked_at=self._clock.now())
            )
            if getattr(ended, "rowcount", 0) != 1:
                raise NotFound("token_not_found", "There is no such token.")
            access_ended(tx, user_id, self._clock.now())
            self._audit.record(tx, actor, "token:revoke", "token", token_id)


def _checked_verbs(maker: Actor | None, role: Role, verbs: Collection[str] | None) -> list[str] | None:
    """The verbs as they are kept; of a maker who has limits never more than theirs."""
    limits = maker.scopes if maker else None
    if verbs is None:
        return None if limits is None else sorted(limits)
    wanted, known = set(verbs), (frozenset(grants_of(maker)) if maker else verbs_of(role)) | {READ_ONLY}
    if not wanted or not wanted <= known:
        unknown = ", ".join(sorted(wanted - known)) or "at least one"
        raise InvalidInput("A token cannot have these verbs.", fields={"verbs": f"Not among this role's: {unknown}."})
    if limits is not None and not all(within(limits, verb) for verb in wanted):
        raise Forbidden("broader_token", "A token makes none that may more than itself.")
    return sorted(wanted)


def _view(row: ApiToken) -> TokenView:
    return TokenView(row.id, row.name, row.verbs, row.created_at, row.last_used_at, row.last_used_from, row.expires_at)
