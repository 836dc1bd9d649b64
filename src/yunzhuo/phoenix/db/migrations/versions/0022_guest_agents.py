"""Agents in desktops

Revision ID: 0022
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "guest_agents",
        sa.Column("desktop_id", sa.String(length=36), nullable=False),
        sa.Column("issue", sa.String(length=36), nullable=False),
        sa.Column("next_issue", sa.String(length=36), nullable=True),
        sa.Column("boot", sa.String(length=64), nullable=True),
        sa.Column("left_boot", sa.String(length=64), nullable=True),
        sa.Column("version", sa.String(length=32), nullable=True),
        sa.Column("heard_at", UtcDateTime(), nullable=True),
        sa.Column("is_ready", sa.Boolean(), nullable=True),
        sa.Column("load", sa.Float(), nullable=True),
        sa.Column("memory_mib", sa.Integer(), nullable=True),
        sa.Column("memory_used_mib", sa.Integer(), nullable=True),
        sa.Column("signed_in_since", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["desktop_id"], ["desktops.id"], name=op.f("fk_guest_agents_desktop_id")),
        sa.PrimaryKeyConstraint("desktop_id", name=op.f("pk_guest_agents")),
    )


def downgrade() -> None:
    op.drop_table("guest_agents")
