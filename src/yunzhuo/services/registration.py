"""New people: registering oneself, and being invited.

With a mail server an account is made by whoever reads the mail of its address: they follow a link and choose a password.
So there are no accounts that wait to be confirmed, nobody takes an address that is not theirs, and whoever asks is told the
same whether or not there is an account. Without a mail server registering makes the account at once, and an invitation's
link is given to the administrator to hand on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, NotFound
from yunzhuo.phoenix.config.people_settings import AccountSettings
from yunzhuo.phoenix.db.models import EmailProof, User
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.phoenix.security.passwords import Passwords
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.accounts import AccountService, UserView, checked_password, normalized_email, user_view
from yunzhuo.services.attempts import AttemptCounter
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.letter_words import Kind
from yunzhuo.services.mailing import PROOF_ARGUMENT, Outbox
from yunzhuo.services.proofs import ProofBook, Purpose, until
from yunzhuo.services.stated import needs
from yunzhuo.services.subordinates import require_to_cover, taken

_LINKS = (Purpose.REGISTER, Purpose.INVITATION)


@dataclass(frozen=True, slots=True)
class InvitationView:
    """Somebody who may make an account. ``link`` is told once, and only where no mail carries it."""

    id: str
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime
    link: str | None = None


class RegistrationService:
    """Lets new people in, as far as the settings say."""

    def __init__(
        self,
        db: Database,
        accounts: AccountService,
        proofs: ProofBook,
        outbox: Outbox,
        attempts: AttemptCounter,
        audit: AuditLog,
        clock: Clock,
        settings: AccountSettings,
        passwords: Passwords,
    ) -> None:
        self._db = db
        self._accounts = accounts
        self._proofs = proofs
        self._outbox = outbox
        self._attempts = attempts
        self._audit = audit
        self._clock = clock
        self._settings = settings
        self._passwords = passwords

    @property
    def is_open(self) -> bool:
        """Whether people may register themselves."""
        return self._settings.registration == "open"

    @property
    def is_by_mail(self) -> bool:
        """Whether whoever registers gets a link by mail first."""
        return self._outbox.sends

    @retried_when_contended
    def register(
        self, email: str, password: str, *, language: str | None = None, client_address: str | None = None
    ) -> UserView:
        """Make an account at once, where no mail can be sent. Raises Forbidden, InvalidInput, Conflict, TooManyAttempts."""
        self._require_open()
        if self._outbox.sends:
            raise Conflict("registration_by_mail", "Ask for a link by mail first.")
        self._attempts.check_client(client_address)
        address = normalized_email(email)
        password_hash = self._passwords.hash(checked_password(password, self._settings, email=address))
        with self._db.transaction() as tx:
            user = self._accounts.add_within(tx, address, password_hash, Role.USER, language=language)
            actor = user_view(user).actor(client_address=client_address)
            self._audit.record(tx, actor, "user:register", "user", user.id)
            return user_view(user)

    @retried_when_contended
    def request(self, email: str, *, language: str | None = None, client_address: str | None = None) -> None:
        """Have a link sent to this address, whoever has it. Raises Forbidden, InvalidInput, TooManyAttempts, Conflict where
        no mail can be sent."""
        self._require_open()
        if not self._outbox.sends:
            raise Conflict("no_mail", "No mail can be sent here.")
        address = normalized_email(email)
        self._attempts.check_letter(address, client_address)
        organization_id = self._accounts.default_organization_id()
        with self._db.transaction() as tx:
            self._attempts.count_letter_within(tx, address, client_address)
            proof = self._proofs.write(
                tx,
                Purpose.REGISTER,
                address,
                organization_id=organization_id,
                lifetime_seconds=self._settings.link_seconds,
                role=Role.USER,
                language=language,
            )
            arguments = {PROOF_ARGUMENT: proof.id, "until": until(proof.expires_at)}
            self._outbox.put(tx, Kind.REGISTER, address, language, arguments)

    def address_of(self, secret: str) -> str:
        """Whose account a link makes. Raises NotFound when it counts no more."""
        proof = self._proofs.look_at(secret, *_LINKS)
        if proof.purpose == Purpose.REGISTER:
            self._require_open()
        return proof.email

    @retried_when_contended
    def complete(
        self, secret: str, password: str, *, language: str | None = None, client_address: str | None = None
    ) -> UserView:
        """Make the account that a link is for. Raises NotFound, InvalidInput (password), Conflict, Forbidden."""
        address = self.address_of(secret)
        password_hash = self._passwords.hash(checked_password(password, self._settings, email=address))
        with self._db.transaction() as tx:
            proof = self._proofs.spend(tx, secret, *_LINKS)
            user = self._accounts.add_within(
                tx,
                proof.email,
                password_hash,
                Role(proof.role or Role.USER),
                organization_id=proof.organization_id,
                language=language or proof.language,
            )
            actor = user_view(user).actor(client_address=client_address)
            self._audit.record(tx, actor, "user:register", "user", user.id, after={"by": proof.purpose})
            return user_view(user)

    @needs("user:invite")
    @retried_when_contended
    def invite(self, actor: Actor, email: str, role: Role, *, language: str | None = None) -> InvitationView:
        """Let somebody make an account; an earlier invitation of the same address is replaced.

        Raises InvalidInput, Conflict when there is an account, Forbidden when people are not to be invited here.
        """
        require_to_cover(actor, role)
        if self._settings.registration == "closed":
            raise Forbidden("registration_closed", "Registration is closed; nobody can be invited.")
        address = normalized_email(email)
        with self._db.transaction() as tx:
            if tx.scalar(select(User.id).where(User.email == address)) is not None:
                raise taken(tx, actor, address)
            proof = self._proofs.write(
                tx,
                Purpose.INVITATION,
                address,
                organization_id=actor.organization_id,
                lifetime_seconds=self._settings.invitation_seconds,
                role=role,
                language=language,
                invited_by=actor.user_id or None,
            )
            arguments = {PROOF_ARGUMENT: proof.id, "until": until(proof.expires_at), "inviter": actor.email or "Yunzhuo"}
            self._outbox.put(tx, Kind.INVITATION, address, language, arguments)
            self._audit.record(tx, actor, "user:invite", "invitation", proof.id, after={"email": address, "role": role})
        return _view(proof, None if self._outbox.sends else self._outbox.link(Kind.INVITATION, proof.id))

    @needs("user:invite")
    def invitations(self, actor: Actor) -> Sequence[InvitationView]:
        """Those of the actor's organization that still count, the newest first."""
        query = select(EmailProof).where(
            EmailProof.organization_id == actor.organization_id,
            EmailProof.purpose == Purpose.INVITATION,
            EmailProof.used_at.is_(None),
            EmailProof.expires_at > self._clock.now(),
        )
        with self._db.reading() as tx:
            return [_view(row) for row in tx.scalars(query.order_by(EmailProof.created_at.desc(), EmailProof.id))]

    @needs("user:invite")
    @retried_when_contended
    def withdraw(self, actor: Actor, invitation_id: str) -> None:
        """An invitation counts no more. Raises NotFound."""
        with self._db.transaction() as tx:
            gone = tx.execute(
                delete(EmailProof).where(
                    EmailProof.id == invitation_id,
                    EmailProof.organization_id == actor.organization_id,
                    EmailProof.purpose == Purpose.INVITATION,
                    EmailProof.used_at.is_(None),
                )
            )
            if getattr(gone, "rowcount", 0) != 1:
                raise NotFound("invitation_not_found", "There is no such invitation.")
            self._audit.record(tx, actor, "user:withdraw_invitation", "invitation", invitation_id)

    def _require_open(self) -> None:
        if not self.is_open:
            raise Forbidden("registration_closed", "Registration is closed; ask your administrator for an account.")


def _view(proof: EmailProof, link: str | None = None) -> InvitationView:
    return InvitationView(proof.id, proof.email, Role(proof.role or Role.USER), proof.created_at, proof.expires_at, link)
