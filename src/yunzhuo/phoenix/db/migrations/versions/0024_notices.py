"""Who listens to what the cloud tells by itself

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notice_listeners",
        sa.Column("scheduler", sa.String(length=255), nullable=False),
        sa.Column("failure", sa.String(length=300), nullable=True),
        sa.Column("heard_at", UtcDateTime(), nullable=True),
        sa.Column("lag_seconds", sa.Double(), nullable=True),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("unreadable", sa.Integer(), nullable=False),
        sa.Column("about_us", sa.Integer(), nullable=False),
        sa.Column("hastened", sa.Integer(), nullable=False),
        sa.Column("looked_at", sa.Integer(), nullable=False),
        sa.Column("reported_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("scheduler", name=op.f("pk_notice_listeners")),
    )


def downgrade() -> None:
    op.drop_table("notice_listeners")
