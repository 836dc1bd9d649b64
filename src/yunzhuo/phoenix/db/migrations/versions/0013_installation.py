"""The license of the installation

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", UtcDateTime(), nullable=True),
        sa.Column("latest_seen", UtcDateTime(), nullable=True),
        sa.Column("latest_mark", sa.String(length=64), nullable=True),
        sa.Column("line", sa.String(length=64), nullable=True),
        sa.Column("asked_at", UtcDateTime(), nullable=True),
        sa.Column("ask_again_at", UtcDateTime(), nullable=True),
        sa.Column("trouble", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.bulk_insert(table, [{"id": 1, "serial": 0}])


def downgrade() -> None:
    op.drop_table("installation")
