"""Networks and security groups that pools put their desktops into

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("networks", "security_groups"):
        op.create_table(
            name,
            sa.Column("id", sa.String(length=255), nullable=False),
            sa.Column("name", sa.String(length=255), nullable=False),
            sa.Column("withdrawn_at", UtcDateTime(), nullable=True),
            sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        )
    op.add_column("pools", sa.Column("network_id", sa.String(length=255), nullable=True))
    op.add_column("pools", sa.Column("security_group_ids", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("pools", "security_group_ids")
    op.drop_column("pools", "network_id")
    op.drop_table("security_groups")
    op.drop_table("networks")
