"""Installations of customers, the licenses signed for them, challenges

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "answered_challenges",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_answered_challenges")),
    )
    op.create_index(op.f("ix_answered_challenges_expires_at"), "answered_challenges", ["expires_at"], unique=False)
    op.create_table(
        "licensed_installations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("edition", sa.String(length=32), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("grace_days", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=True),
        sa.Column("host", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.Column("told_days", sa.Integer(), nullable=True),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("moves_allowed", sa.Integer(), nullable=False),
        sa.Column("code_digest", sa.String(length=64), nullable=True),
        sa.Column("line_digest", sa.String(length=64), nullable=True),
        sa.Column("line_before_digest", sa.String(length=64), nullable=True),
        sa.Column("clone_seen_at", UtcDateTime(), nullable=True),
        sa.Column("checked_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_licensed_installations")),
        sa.UniqueConstraint("code_digest", name=op.f("uq_licensed_installations_code_digest")),
        sa.UniqueConstraint("key_id", name=op.f("uq_licensed_installations_key_id")),
    )
    op.create_index(op.f("ix_licensed_installations_customer_id"), "licensed_installations", ["customer_id"], unique=False)
    op.create_table(
        "issued_licenses",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("installation_id", sa.String(length=36), nullable=False),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("signed_by", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("issued_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("withdrawn_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["installation_id"], ["licensed_installations.id"], name=op.f("fk_issued_licenses_installation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issued_licenses")),
        sa.UniqueConstraint("installation_id", "serial", name=op.f("uq_issued_licenses_installation_id_serial")),
    )
    op.create_index(op.f("ix_issued_licenses_key_id"), "issued_licenses", ["key_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_issued_licenses_key_id"), table_name="issued_licenses")
    op.drop_table("issued_licenses")
    op.drop_index(op.f("ix_licensed_installations_customer_id"), table_name="licensed_installations")
    op.drop_table("licensed_installations")
    op.drop_index(op.f("ix_answered_challenges_expires_at"), table_name="answered_challenges")
    op.drop_table("answered_challenges")
