"""Who there is, and what proves it. Secrets are kept as digests only."""

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Digest, Id, Name, Time, Word


class Organization(Base):
    """A tenant; none sees another's objects. Of a disabled one nobody can sign in.

    ``is_default``: the one that people who register, and the command line, are in; the first, whatever its name is by now.
    """

    __tablename__ = "organizations"

    id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[Name] = mapped_column(unique=True)
    created_at: Mapped[Time]
    disabled_at: Mapped[Time | None]
    is_default: Mapped[bool]


class User(Base):
    """A person. ``email`` is kept in its normalized form, which makes it unique.

    An account that is deleted (``deleted_at``) stays as a row without an address: what it did refers to it.
    """

    __tablename__ = "users"

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"), index=True)
    email: Mapped[Name] = mapped_column(unique=True)
    role: Mapped[Word]
    password_hash: Mapped[Name]
    must_change_password: Mapped[bool]
    language: Mapped[Word | None]
    time_zone: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[Time]
    disabled_at: Mapped[Time | None]
    deleted_at: Mapped[Time | None]


class AuthSession(Base):
    """One sign-in in a browser."""

    __tablename__ = "auth_sessions"

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), index=True)
    secret_digest: Mapped[Digest] = mapped_column(unique=True)
    client_address: Mapped[Name]
    created_at: Mapped[Time]
    expires_at: Mapped[Time] = mapped_column(index=True)
    ended_at: Mapped[Time | None]


class ApiToken(Base):
    """A bearer token of the API."""

    __tablename__ = "api_tokens"

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), index=True)
    secret_digest: Mapped[Digest] = mapped_column(unique=True)
    created_at: Mapped[Time]
    expires_at: Mapped[Time] = mapped_column(index=True)
    revoked_at: Mapped[Time | None]


class SignInFailure(Base):
    """A wrong password, counted against the account that was tried and against the client that tried."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (Index(None, "scope", "subject_digest", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    scope: Mapped[Word]
    subject_digest: Mapped[Digest]
    at: Mapped[Time] = mapped_column(index=True)
