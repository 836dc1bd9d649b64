"""Gateways that are chosen and drained, segments, how each session stands, and what ends it

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ID = sa.String(length=36)
_DIGEST = sa.String(length=64)
_NAME = sa.String(length=255)
_WORD = sa.String(length=32)


def upgrade() -> None:
    op.create_table(
        "segments",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("network", _WORD, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segments")),
        sa.UniqueConstraint("name", name=op.f("uq_segments_name")),
        sa.UniqueConstraint("network", name=op.f("uq_segments_network")),
    )
    # Not in a batch: SQLite would make the table anew, and others refer to it.
    op.add_column("gateways", sa.Column("internal_url", _NAME, nullable=True))
    op.add_column("gateways", sa.Column("state", _WORD, nullable=False, server_default="active"))
    op.add_column("gateways", sa.Column("old_key_digest", _DIGEST, nullable=True))
    op.add_column("gateways", sa.Column("old_key_until", UtcDateTime(), nullable=True))
    op.add_column("gateways", sa.Column("last_seen_at", UtcDateTime(), nullable=True))
    op.add_column("gateways", sa.Column("version", _WORD, nullable=True))
    op.add_column("gateways", sa.Column("capacity", sa.Integer(), nullable=True))
    op.add_column("gateways", sa.Column("certificate", sa.Text(), nullable=True))
    op.create_index(op.f("uq_gateways_old_key_digest"), "gateways", ["old_key_digest"], unique=True)
    with op.batch_alter_table("tickets", schema=None) as batch_op:
        batch_op.add_column(sa.Column("policy", sa.JSON(none_as_null=True), nullable=True))
        batch_op.add_column(sa.Column("sign_in_digest", _DIGEST, nullable=True))
        batch_op.add_column(sa.Column("client_address", _NAME, nullable=True))
    with op.batch_alter_table("console_sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("channel", _WORD, nullable=True))
        batch_op.add_column(sa.Column("sign_in_digest", _DIGEST, nullable=True))
        batch_op.add_column(sa.Column("ends_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("withdrawn_reason", _WORD, nullable=True))
        batch_op.add_column(sa.Column("last_seen_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("last_input_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("round_trip_ms", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("drops", sa.Integer(), nullable=True))
        batch_op.create_index(batch_op.f("ix_console_sessions_gateway_id_ended_at"), ["gateway_id", "ended_at"])
        batch_op.create_index(
            batch_op.f("ix_console_sessions_organization_id_ended_at_started_at"), ["organization_id", "ended_at", "started_at"]
        )
        batch_op.create_index(batch_op.f("ix_console_sessions_user_id"), ["user_id"])
        batch_op.create_index(batch_op.f("ix_console_sessions_started_at"), ["started_at"])


def downgrade() -> None:
    # MariaDB wants an index for each foreign key, and has given up its own for those that go now.
    if op.get_bind().dialect.name in {"mysql", "mariadb"}:
        for column in ("user_id", "organization_id", "gateway_id"):
            op.create_index(op.f(f"fk_console_sessions_{column}"), "console_sessions", [column])
    with op.batch_alter_table("console_sessions", schema=None) as batch_op:
        for name in ("started_at", "user_id", "organization_id_ended_at_started_at", "gateway_id_ended_at"):
            batch_op.drop_index(batch_op.f(f"ix_console_sessions_{name}"))
        for name in (
            *("drops", "round_trip_ms", "last_input_at", "last_seen_at", "withdrawn_reason", "ends_at"),
            *("sign_in_digest", "channel"),
        ):
            batch_op.drop_column(name)
    with op.batch_alter_table("tickets", schema=None) as batch_op:
        for name in ("client_address", "sign_in_digest", "policy"):
            batch_op.drop_column(name)
    op.drop_index(op.f("uq_gateways_old_key_digest"), table_name="gateways")
    for name in (
        *("certificate", "capacity", "version", "last_seen_at", "old_key_until", "old_key_digest"),
        *("state", "internal_url"),
    ):
        op.drop_column("gateways", name)
    op.drop_table("segments")
