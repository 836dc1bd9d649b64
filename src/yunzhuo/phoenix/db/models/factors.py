"""Second factors: what proves a person beside the password, and what is asked of it."""

from sqlalchemy import BigInteger, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Digest, Id, Name, Time, Word


class TotpFactor(Base):
    """An authenticator app (RFC 6238). ``sealed_secret`` is encrypted; ``last_counter`` is the time step used last, so that
    no code counts twice. Not ``confirmed_at``: shown to the person, and no factor yet."""

    __tablename__ = "totp_factors"

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True)
    sealed_secret: Mapped[str] = mapped_column(String(512))
    last_counter: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[Time]
    confirmed_at: Mapped[Time | None]


class RecoveryCode(Base):
    """A code for the day when the factor is lost; each counts once."""

    __tablename__ = "recovery_codes"
    __table_args__ = (UniqueConstraint("user_id", "code_digest"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"))
    code_digest: Mapped[Digest]
    used_at: Mapped[Time | None]


class Passkey(Base):
    """A public key of a person's authenticator (WebAuthn level 2). The id can be 1023 bytes, so its digest is unique."""

    __tablename__ = "passkeys"

    id: Mapped[Id] = mapped_column(primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[Name]
    credential_digest: Mapped[Digest] = mapped_column(unique=True)
    credential_id: Mapped[str] = mapped_column(Text)
    public_key: Mapped[str] = mapped_column(Text)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[Time]
    last_used_at: Mapped[Time | None]


class Challenge(Base):
    """What an authenticator has to sign, once. ``user_id`` None: whoever has a passkey here."""

    __tablename__ = "challenges"

    challenge_digest: Mapped[Digest] = mapped_column(primary_key=True)
    purpose: Mapped[Word]
    user_id: Mapped[Id | None] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[Time] = mapped_column(index=True)
