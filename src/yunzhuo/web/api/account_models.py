"""The API's JSON about accounts: what proves somebody, and what lets programs in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from yunzhuo.services.access import READ_ONLY, Role
from yunzhuo.services.factors import FactorsView, TotpOffer
from yunzhuo.services.passkeys import NewPasskey, PasskeyView
from yunzhuo.services.registration import InvitationView
from yunzhuo.services.sessions import SessionView, SignInView
from yunzhuo.services.tokens import TokenView, TokenWish
from yunzhuo.webkit.bodies import Asked, Id

_Password = Field(max_length=1024, examples=["correct horse battery"])
_Email = Field(max_length=320, examples=["lin@school.local"])
_Proof = Field(max_length=256, description="`proof` of the link that came by mail.")
_Code = Field(max_length=64, description="Six digits of the authenticator app, or a recovery code.", examples=["287082"])


class TokenLimits(Asked):
    """What a token may do, and for how long."""

    name: str | None = Field(None, description="1 to 64 visible characters.", examples=["nightly backup"])
    verbs: list[str] | None = Field(
        None,
        max_length=200,
        description="All it may do, as verbs of its user's role; absent: all that its user may.",
        examples=[["desktop:read"]],
    )
    read_only: bool = Field(False, description="It may look at all that its user may, and change nothing.")
    expires_in_seconds: float | None = Field(None, description="Absent: as long as the settings say.")

    def wish(self) -> TokenWish:
        """The same for the service."""
        verbs = {READ_ONLY, *(self.verbs or ())} if self.read_only else self.verbs
        return TokenWish(self.name or "", verbs, self.expires_in_seconds)


class NewToken(TokenLimits):
    """A wish for a token: with an address and a password, or with a token that may make others (which then needs a name)."""

    email: str | None = Field(None, max_length=320, examples=["lin@school.local"])
    password: str | None = Field(None, max_length=1024, examples=["correct horse battery"])
    code: str | None = Field(None, max_length=64, description="Where there is a second factor: a code of it.")


class Token(BaseModel):
    """A token, told this once."""

    id: Id
    token: str = Field(examples=["yz_3q2-7w..."])
    expires_at: datetime


class TokenInfo(BaseModel):
    """A token without its secret. `verbs` null: all that its user may; `*:read`: all that only looks."""

    id: Id
    name: str
    verbs: Sequence[str] | None
    created_at: datetime
    last_used_at: datetime | None
    last_used_from: str | None
    expires_at: datetime

    @classmethod
    def of(cls, view: TokenView) -> Self:
        return cls(
            id=view.id,
            name=view.name,
            verbs=view.verbs,
            created_at=view.created_at,
            last_used_at=view.last_used_at,
            last_used_from=view.last_used_from,
            expires_at=view.expires_at,
        )


class TokenList(BaseModel):
    """Tokens that still count."""

    items: Sequence[TokenInfo]


class NewServiceAccount(Asked):
    """A user without a password, for programs."""

    email: str = _Email
    role: Role = Role.USER


class Session(BaseModel):
    """A browser that is signed in."""

    id: Id
    client_address: str
    user_agent: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    remembered: bool

    @classmethod
    def of(cls, view: SessionView) -> Self:
        return cls(
            id=view.id,
            client_address=view.client_address,
            user_agent=view.user_agent,
            created_at=view.created_at,
            last_seen_at=view.last_seen_at,
            expires_at=view.expires_at,
            remembered=view.is_remembered,
        )


class SessionList(BaseModel):
    """Browsers that are signed in, the one used last first."""

    items: Sequence[Session]

    @classmethod
    def of(cls, views: Sequence[SessionView]) -> Self:
        return cls(items=[Session.of(view) for view in views])


class SignIn(BaseModel):
    """One try to come in."""

    at: datetime
    method: str = Field(examples=["password"])
    outcome: str = Field(examples=["done", "wrong_password"])
    client_address: str | None
    user_agent: str | None


class SignInList(BaseModel):
    """Tries to come in, the newest first."""

    items: Sequence[SignIn]

    @classmethod
    def of(cls, views: Sequence[SignInView]) -> Self:
        return cls(
            items=[
                SignIn(
                    at=view.at,
                    method=view.method,
                    outcome=view.outcome,
                    client_address=view.client_address,
                    user_agent=view.user_agent,
                )
                for view in views
            ]
        )


class Factors(BaseModel):
    """What proves somebody beside the password."""

    totp_since: datetime | None
    recovery_codes_left: int
    passkeys: int

    @classmethod
    def of(cls, view: FactorsView) -> Self:
        return cls(totp_since=view.totp_since, recovery_codes_left=view.recovery_codes_left, passkeys=view.passkeys)


class PasswordAgain(Asked):
    """The present password: what proves somebody is not changed without it."""

    password: str = _Password


class TotpCode(PasswordAgain):
    """A code of the app that is to count from now on."""

    code: str = _Code


class TotpSecret(BaseModel):
    """What an authenticator app is given, told this once."""

    secret: str
    uri: str = Field(examples=["otpauth://totp/Yunzhuo:lin%40school.local?secret=...&issuer=Yunzhuo"])

    @classmethod
    def of(cls, offer: TotpOffer) -> Self:
        return cls(secret=offer.secret, uri=offer.uri)


class RecoveryCodes(BaseModel):
    """Codes that count once each, told this once; empty: there were some already."""

    recovery_codes: Sequence[str]


class PasskeyOptions(BaseModel):
    """What `navigator.credentials.create` is given, as WebAuthn level 3 writes it in JSON."""

    public_key: dict[str, Any]


class NewPasskeyCredential(PasswordAgain):
    """What `navigator.credentials.create` answered, as WebAuthn level 3 writes it in JSON."""

    name: str = Field(description="1 to 64 visible characters.", examples=["My phone"])
    credential: dict[str, Any]


class Passkey(BaseModel):
    """A passkey."""

    id: Id
    name: str
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, view: PasskeyView) -> Self:
        return cls(id=view.id, name=view.name, created_at=view.created_at, last_used_at=view.last_used_at)


class PasskeyList(BaseModel):
    """Passkeys, the oldest first."""

    items: Sequence[Passkey]


class MadePasskey(RecoveryCodes):
    """A passkey that was just made."""

    passkey: Passkey

    @classmethod
    def made(cls, new: NewPasskey) -> Self:
        return cls(passkey=Passkey.of(new.passkey), recovery_codes=new.recovery_codes)


class PasswordChange(Asked):
    """Another password in place of the present one."""

    present: str = _Password
    chosen: str = _Password


class AddressChange(PasswordAgain):
    """Another address for the account."""

    email: str = _Email


class AddressAnswer(BaseModel):
    """Whether the address is changed, or a link was sent to it that changes it."""

    changed: bool


class NewRegistration(Asked):
    """Somebody wants an account. The password is needed where no link is sent by mail."""

    email: str = _Email
    password: str | None = Field(None, max_length=1024)
    language: str | None = Field(None, max_length=32, examples=["zh_CN"])


class RegistrationAnswer(BaseModel):
    """Whether there is a link to be followed first, or an account already."""

    by_mail: bool


class Completion(Asked):
    """A password for the account that a link is for."""

    proof: str = _Proof
    password: str = _Password


class NewReset(Asked):
    """Somebody has forgotten their password."""

    email: str = _Email
    language: str | None = Field(None, max_length=32, examples=["zh_CN"])


class AddressConfirmation(Asked):
    """Whoever has the link reads the new address's mail."""

    proof: str = _Proof


class NewInvitation(Asked):
    """Somebody may make an account."""

    email: str = _Email
    role: Role = Role.USER
    language: str | None = Field(None, max_length=32, examples=["zh_CN"])


class Invitation(BaseModel):
    """Somebody who may make an account. `link` is told once, where no mail carries it."""

    id: Id
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime
    link: str | None

    @classmethod
    def of(cls, view: InvitationView) -> Self:
        return cls(
            id=view.id,
            email=view.email,
            role=view.role,
            created_at=view.created_at,
            expires_at=view.expires_at,
            link=view.link,
        )


class InvitationList(BaseModel):
    """Invitations that still count, the newest first."""

    items: Sequence[Invitation]
