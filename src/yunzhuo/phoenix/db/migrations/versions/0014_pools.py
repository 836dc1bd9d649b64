"""Pools, who may have a desktop of one, and who has which

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_ID = sa.String(length=36)
_NAME = sa.String(length=255)
_WORD = sa.String(length=32)


def upgrade() -> None:
    op.create_table(
        "pools",
        sa.Column("id", _ID, nullable=False),
        sa.Column("organization_id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("image_id", _ID, nullable=False),
        sa.Column("flavor_id", _ID, nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("spares", sa.Integer(), nullable=False),
        sa.Column("hours", sa.JSON(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("release_after_minutes", sa.Integer(), nullable=True),
        sa.Column("built", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", UtcDateTime(), nullable=True),
        sa.Column("problem", sa.String(length=1000), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_pools_organization_id")),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name=op.f("fk_pools_account_id")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_pools_image_id")),
        sa.ForeignKeyConstraint(["flavor_id"], ["flavors.id"], name=op.f("fk_pools_flavor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pools")),
        sa.UniqueConstraint("account_id", name=op.f("uq_pools_account_id")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_pools_organization_id_name")),
    )
    op.create_table(
        "pool_members",
        sa.Column("pool_id", _ID, nullable=False),
        sa.Column("holder_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"], name=op.f("fk_pool_members_pool_id")),
        sa.PrimaryKeyConstraint("pool_id", "holder_id", name=op.f("pk_pool_members")),
    )
    op.create_index(op.f("ix_pool_members_holder_id"), "pool_members", ["holder_id"])
    # Not in a batch: SQLite would make the table anew, and others refer to it.
    op.add_column("desktops", sa.Column("pool_id", _ID, nullable=True))
    op.add_column("desktops", sa.Column("claimant_id", _ID, nullable=True))
    op.add_column("desktops", sa.Column("claimed_at", UtcDateTime(), nullable=True))
    op.create_index(op.f("uq_desktops_pool_id_claimant_id"), "desktops", ["pool_id", "claimant_id"], unique=True)


def downgrade() -> None:
    op.drop_index(op.f("uq_desktops_pool_id_claimant_id"), table_name="desktops")
    for name in ("claimed_at", "claimant_id", "pool_id"):
        op.drop_column("desktops", name)
    op.drop_table("pool_members")
    op.drop_table("pools")
