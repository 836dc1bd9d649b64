"""Second factors, letters with links, tokens with names and limits, the history of sign-ins

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import Sequence, UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not in a batch: SQLite would make the tables anew, and others refer to them.
    op.add_column("users", sa.Column("has_second_factor", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("users", sa.Column("is_service", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("auth_sessions", sa.Column("user_agent", sa.String(length=255), nullable=True))
    op.add_column("auth_sessions", sa.Column("awaits_factor", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("auth_sessions", sa.Column("is_remembered", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("auth_sessions", sa.Column("wrong_factors", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("auth_sessions", sa.Column("last_seen_at", UtcDateTime(), nullable=True))
    op.add_column("auth_sessions", sa.Column("proved_at", UtcDateTime(), nullable=True))
    op.add_column("api_tokens", sa.Column("name", sa.String(length=255), nullable=False, server_default=""))
    op.add_column("api_tokens", sa.Column("verbs", sa.JSON(), nullable=True))
    op.add_column("api_tokens", sa.Column("last_used_at", UtcDateTime(), nullable=True))
    op.add_column("api_tokens", sa.Column("last_used_from", sa.String(length=255), nullable=True))
    _make_sign_ins()
    _make_factors()
    _make_mail()


def _make_sign_ins() -> None:
    op.create_table(
        "sign_ins",
        sa.Column("id", Sequence, autoincrement=True, nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("client_address", sa.String(length=255), nullable=True),
        sa.Column("user_agent", sa.String(length=255), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sign_ins_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ins")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("sign_ins", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sign_ins_user_id_at"), ["user_id", "at"])
        batch_op.create_index(batch_op.f("ix_sign_ins_client_address_at"), ["client_address", "at"])
        batch_op.create_index(batch_op.f("ix_sign_ins_at"), ["at"])


def _make_factors() -> None:
    op.create_table(
        "totp_factors",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("sealed_secret", sa.String(length=512), nullable=False),
        sa.Column("last_counter", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("confirmed_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_totp_factors_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_totp_factors")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("code_digest", sa.String(length=64), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("user_id", "code_digest", name=op.f("uq_recovery_codes_user_id_code_digest")),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("credential_digest", sa.String(length=64), nullable=False),
        sa.Column("credential_id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_passkeys_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_digest", name=op.f("uq_passkeys_credential_digest")),
    )
    with op.batch_alter_table("passkeys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_passkeys_user_id"), ["user_id"])
    op.create_table(
        "challenges",
        sa.Column("challenge_digest", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_challenges_user_id")),
        sa.PrimaryKeyConstraint("challenge_digest", name=op.f("pk_challenges")),
    )
    with op.batch_alter_table("challenges", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_challenges_expires_at"), ["expires_at"])


def _make_mail() -> None:
    op.create_table(
        "outgoing_mails",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("recipient", sa.String(length=255), nullable=False),
        sa.Column("language", sa.String(length=32), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("error", sa.String(length=400), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing_mails")),
    )
    with op.batch_alter_table("outgoing_mails", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outgoing_mails_status_due_at"), ["status", "due_at"])
        batch_op.create_index(batch_op.f("ix_outgoing_mails_ended_at"), ["ended_at"])
    op.create_table(
        "email_proofs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=True),
        sa.Column("language", sa.String(length=32), nullable=True),
        sa.Column("invited_by", sa.String(length=36), nullable=True),
        sa.Column("secret_digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_email_proofs_organization_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_email_proofs_user_id")),
        sa.ForeignKeyConstraint(["invited_by"], ["users.id"], name=op.f("fk_email_proofs_invited_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_proofs")),
        sa.UniqueConstraint("secret_digest", name=op.f("uq_email_proofs_secret_digest")),
    )
    with op.batch_alter_table("email_proofs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_email_proofs_email_purpose"), ["email", "purpose"])
        batch_op.create_index(batch_op.f("ix_email_proofs_organization_id"), ["organization_id"])
        batch_op.create_index(batch_op.f("ix_email_proofs_expires_at"), ["expires_at"])


def downgrade() -> None:
    for table in ("email_proofs", "outgoing_mails", "challenges", "passkeys", "recovery_codes", "totp_factors", "sign_ins"):
        op.drop_table(table)
    for table, columns in (
        ("api_tokens", ("last_used_from", "last_used_at", "verbs", "name")),
        ("auth_sessions", ("proved_at", "last_seen_at", "wrong_factors", "is_remembered", "awaits_factor", "user_agent")),
        ("users", ("is_service", "has_second_factor")),
    ):
        for column in columns:
            op.drop_column(table, column)
