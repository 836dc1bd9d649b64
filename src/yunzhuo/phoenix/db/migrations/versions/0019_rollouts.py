"""Roll-outs of another image in a pool, what pools did through the day, and how soon somebody should be at their desktop

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_ID = sa.String(length=36)


def upgrade() -> None:
    op.add_column("pools", sa.Column("rolling_image_id", _ID, nullable=True))
    op.add_column("pools", sa.Column("goal_seconds", sa.Integer(), nullable=True))
    op.add_column("desktops", sa.Column("renews_at", UtcDateTime(), nullable=True))
    op.create_table(
        "pool_rollouts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("pool_id", _ID, nullable=False),
        sa.Column("open_pool_id", _ID, nullable=True),
        sa.Column("from_image_id", _ID, nullable=False),
        sa.Column("to_image_id", _ID, nullable=False),
        sa.Column("is_back", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("stages", sa.JSON(), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("at_once_percent", sa.Integer(), nullable=False),
        sa.Column("most_failures", sa.Integer(), nullable=False),
        sa.Column("notice_hours", sa.Integer(), nullable=False),
        sa.Column("proven_at", UtcDateTime(), nullable=True),
        sa.Column("counted_from", UtcDateTime(), nullable=False),
        sa.Column("problem", sa.String(length=1000), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"], name=op.f("fk_pool_rollouts_pool_id")),
        sa.ForeignKeyConstraint(["from_image_id"], ["images.id"], name=op.f("fk_pool_rollouts_from_image_id")),
        sa.ForeignKeyConstraint(["to_image_id"], ["images.id"], name=op.f("fk_pool_rollouts_to_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pool_rollouts")),
        sa.UniqueConstraint("open_pool_id", name=op.f("uq_pool_rollouts_open_pool_id")),
    )
    op.create_index(op.f("ix_pool_rollouts_pool_id_started_at"), "pool_rollouts", ["pool_id", "started_at"])
    op.create_table(
        "pool_samples",
        sa.Column("pool_id", _ID, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("in_use", sa.Integer(), nullable=False),
        sa.Column("ready", sa.Integer(), nullable=False),
        sa.Column("coming", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"], name=op.f("fk_pool_samples_pool_id")),
        sa.PrimaryKeyConstraint("pool_id", "at", name=op.f("pk_pool_samples")),
    )
    op.create_index(op.f("ix_pool_samples_at"), "pool_samples", ["at"])


def downgrade() -> None:
    op.drop_table("pool_samples")
    op.drop_table("pool_rollouts")
    op.drop_column("desktops", "renews_at")
    op.drop_column("pools", "goal_seconds")
    op.drop_column("pools", "rolling_image_id")
