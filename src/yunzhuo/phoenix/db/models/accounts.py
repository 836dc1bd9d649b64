"""Who there is, and what proves it. Secrets are kept as digests only."""

from sqlalchemy import JSON, ForeignKey, Index, String, false
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Digest, Id, Name, Sequence, Time, Word


class Organization(Base):
    """A tenant; none sees another's objects. Of a disabled one nobody can sign in.

    ``is_default``: the one that people who register, and the command line, are in; the first, whatever its name is by now.
    ``has_own_project``: its new things are made in a project of its own in the cloud, ``project_id`` (None: still to be made).
    ``project_quota`` is what the cloud was last told that project may use.
    """

    __tablename__ = "organizations"

    id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[Name] = mapped_column(unique=True)
    created_at: Mapped[Time]
    disabled_at: Mapped[Time | None]
    is_default: Mapped[bool]
    has_own_project: Mapped[bool] = mapped_column(default=False, server_default=false())
    project_id: Mapped[Name | None]
    project_quota: Mapped[dict[str, int] | None] = mapped_column(JSON(none_as_null=True))


class User(Base):
    """A person, or a program (``is_service``: no password, only tokens). ``email`` is normalized, which makes it unique.

    ``has_second_factor`` is true exactly while there is a confirmed TOTP or a passkey: it is written with them.
    An account that is deleted (``deleted_at``) stays as a row without an address: what it did refers to it. A pool's own
    account is one that was never there for anybody: deleted from its first moment.
    """

    __tablename__ = "users"

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"), index=True)
    email: Mapped[Name] = mapped_column(unique=True)
    role: Mapped[Word]
    password_hash: Mapped[Name]
    must_change_password: Mapped[bool]
    has_second_factor: Mapped[bool] = mapped_column(default=False)
    is_service: Mapped[bool] = mapped_column(default=False)
    language: Mapped[Word | None]
    time_zone: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[Time]
    disabled_at: Mapped[Time | None]
    deleted_at: Mapped[Time | None]


class AuthSession(Base):
    """One sign-in in a browser.

    While ``awaits_factor`` only the password was given: such a session is nobody's, and ends when the factor is given, in
    another one. ``proved_at`` is when the password was given again, for changes that ask for it.
    """

    __tablename__ = "auth_sessions"

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), index=True)
    secret_digest: Mapped[Digest] = mapped_column(unique=True)
    client_address: Mapped[Name]
    user_agent: Mapped[Name | None]
    awaits_factor: Mapped[bool] = mapped_column(default=False)
    is_remembered: Mapped[bool] = mapped_column(default=False)
    wrong_factors: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[Time]
    last_seen_at: Mapped[Time | None]
    proved_at: Mapped[Time | None]
    expires_at: Mapped[Time] = mapped_column(index=True)
    ended_at: Mapped[Time | None]


class ApiToken(Base):
    """A bearer token of the API. ``verbs`` narrow what it may do below the role of its user; None: they do not."""

    __tablename__ = "api_tokens"

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[Name]
    secret_digest: Mapped[Digest] = mapped_column(unique=True)
    verbs: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[Time]
    last_used_at: Mapped[Time | None]
    last_used_from: Mapped[Name | None]
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


class SignIn(Base):
    """One try to come in: whose account (None: nobody's), how, whence, and how it ended."""

    __tablename__ = "sign_ins"
    __table_args__ = (Index(None, "user_id", "at"), Index(None, "client_address", "at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    user_id: Mapped[Id | None] = mapped_column(ForeignKey("users.id"))
    method: Mapped[Word]
    outcome: Mapped[Word]
    client_address: Mapped[Name | None]
    user_agent: Mapped[Name | None]
    at: Mapped[Time] = mapped_column(index=True)
