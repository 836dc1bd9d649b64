"""Getting back in: a new password by a link in a mail, another address, and the way in from the machine itself."""

from sqlalchemy import select

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound
from yunzhuo.phoenix.config.people_settings import AccountSettings
from yunzhuo.phoenix.db.models import EmailProof, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.passwords import Passwords, one_time_password
from yunzhuo.services.access import Actor, installation
from yunzhuo.services.accounts import (
    AccountService,
    UserView,
    checked_password,
    end_sign_ins,
    normalized_email,
    user_view,
)
from yunzhuo.services.attempts import AttemptCounter
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.factors import remove_factors
from yunzhuo.services.letter_words import Kind
from yunzhuo.services.mailing import PROOF_ARGUMENT, Outbox
from yunzhuo.services.proofs import ProofBook, Purpose, until
from yunzhuo.services.stated import needs
from yunzhuo.services.step_up import Proven


class RegainService:
    """Gives accounts back to whom they belong."""

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
    def is_by_mail(self) -> bool:
        """Whether links can be sent; else only an administrator can help."""
        return self._outbox.sends

    @retried_when_contended
    def request_reset(self, email: str, *, language: str | None = None, client_address: str | None = None) -> None:
        """Have a link for a new password sent, if there is such an account; whoever asks is told the same.

        Whether there is one is looked up when the letter is sent, so that the time of this answer does not tell either.
        Raises InvalidInput, TooManyAttempts, Conflict where no mail can be sent.
        """
        if not self._outbox.sends:
            raise Conflict("no_mail", "No mail can be sent here; ask your administrator for a new password.")
        address = normalized_email(email)
        self._attempts.check_letter(address, client_address)
        organization_id = self._accounts.default_organization_id()
        with self._db.transaction() as tx:
            self._attempts.count_letter_within(tx, address, client_address)
            proof = self._proofs.write(
                tx, Purpose.RESET, address, organization_id=organization_id, lifetime_seconds=self._settings.link_seconds
            )
            arguments = {PROOF_ARGUMENT: proof.id, "until": until(proof.expires_at)}
            self._outbox.put(tx, Kind.RESET, address, language, arguments)

    def address_of(self, secret: str, purpose: Purpose) -> str:
        """The address that a link is about. Raises NotFound when it counts no more."""
        return self._proofs.look_at(secret, purpose).email

    @retried_when_contended
    def reset(self, secret: str, password: str, *, client_address: str | None = None) -> UserView:
        """Another password, chosen by whoever has the link. Sessions, tokens and other links of the person end; second
        factors stay. Raises NotFound, InvalidInput (password)."""
        address = self.address_of(secret, Purpose.RESET)
        password_hash = self._passwords.hash(checked_password(password, self._settings, email=address))
        now = self._clock.now()
        with self._db.transaction() as tx:
            proof = self._proofs.spend(tx, secret, Purpose.RESET)
            user = tx.scalar(select(User).where(User.email == proof.email).with_for_update())
            if user is None or user.disabled_at is not None or user.is_service:
                raise NotFound("link_not_valid", "This link is not valid, or not any more.")
            user.password_hash, user.must_change_password = password_hash, False
            end_sign_ins(tx, user.id, now)
            self._proofs.void(tx, EmailProof.user_id == user.id)
            actor = user_view(user).actor(client_address=client_address)
            self._audit.record(tx, actor, "user:reset_own_password", "user", user.id)
            self._outbox.put(tx, Kind.PASSWORD_CHANGED, user.email, user.language, {"at": until(now)})
            return user_view(user)

    @needs("account:update")
    @retried_when_contended
    def change_address(self, actor: Actor, proven: Proven, email: str) -> bool:
        """Another address for the actor's account: at once where no mail can be sent (True), else once the link that is sent
        to it was followed (False). Raises InvalidInput, Conflict when it is the same, or taken where that is told."""
        proven.require(actor)
        address = normalized_email(email)
        if address == actor.email:
            raise InvalidInput("This is the present address.", fields={"email": "Another one than the present address."})
        self._attempts.check_letter(address, actor.client_address)
        with self._db.transaction() as tx:
            if not self._outbox.sends:
                self._replace_address(tx, actor, tx.get_one(User, actor.user_id), address)
                return True
            self._attempts.count_letter_within(tx, address, actor.client_address)
            self._proofs.void(tx, EmailProof.user_id == actor.user_id, EmailProof.purpose == Purpose.CHANGE_ADDRESS)
            proof = self._proofs.write(
                tx,
                Purpose.CHANGE_ADDRESS,
                address,
                organization_id=actor.organization_id,
                lifetime_seconds=self._settings.link_seconds,
                user_id=actor.user_id,
            )
            arguments = {PROOF_ARGUMENT: proof.id, "until": until(proof.expires_at), "old": actor.email}
            language = tx.get_one(User, actor.user_id).language
            self._outbox.put(tx, Kind.CHANGE_ADDRESS, address, language, arguments)
            self._audit.record(tx, actor, "user:ask_address", "user", actor.user_id, after={"email": address})
            return False

    @retried_when_contended
    def confirm_address(self, secret: str, *, client_address: str | None = None) -> UserView:
        """The new address was confirmed by whoever reads its mail; the old one is told. Raises NotFound, Conflict (taken)."""
        with self._db.transaction() as tx:
            proof = self._proofs.spend(tx, secret, Purpose.CHANGE_ADDRESS)
            user = tx.get(User, proof.user_id or "", with_for_update=True)
            if user is None or user.disabled_at is not None:
                raise NotFound("link_not_valid", "This link is not valid, or not any more.")
            actor = user_view(user).actor(client_address=client_address)
            self._replace_address(tx, actor, user, proof.email)
            return user_view(user)

    @retried_when_contended
    def recover(self, email: str) -> tuple[UserView, str]:
        """The way in when all else fails, for whoever has the machine: a one-time password, told this once. The account is
        enabled, its factors are removed, its sessions and tokens end. Raises NotFound, Conflict (a service account)."""
        user_id = self._accounts.by_email(email).id
        made, now = one_time_password(self._settings.password_min_length), self._clock.now()
        password_hash = self._passwords.hash(made)
        with self._db.transaction() as tx:
            user = tx.get_one(User, user_id, with_for_update=True)
            if user.is_service:
                raise Conflict("service_account", "A service account has no password; make it a token.")
            before = {"role": user.role, "disabled": user.disabled_at is not None, "second_factor": user.has_second_factor}
            user.password_hash, user.must_change_password, user.disabled_at = password_hash, True, None
            remove_factors(tx, user)
            end_sign_ins(tx, user.id, now)
            after = {"role": user.role, "disabled": False, "second_factor": False}
            self._audit.record(
                tx, installation(user.organization_id), "user:recover", "user", user.id, before=before, after=after
            )
            self._outbox.put(tx, Kind.PASSWORD_CHANGED, user.email, user.language, {"at": until(now)})
            view = user_view(user)
        self._attempts.forget(view.email)
        return view, made

    def _replace_address(self, tx: Transaction, actor: Actor, user: User, address: str) -> None:
        if tx.scalar(select(User.id).where(User.email == address)) is not None:
            raise Conflict("email_taken", f"There is an account {address} already.")
        old, user.email = user.email, address
        tx.flush()
        self._proofs.void(tx, EmailProof.email.in_((old, address)), EmailProof.purpose != Purpose.INVITATION)
        before, after = {"email": old}, {"email": address}
        self._audit.record(tx, actor, "user:change_address", "user", user.id, before=before, after=after)
        self._outbox.put(tx, Kind.ADDRESS_CHANGED, old, user.language, {"new": address})
