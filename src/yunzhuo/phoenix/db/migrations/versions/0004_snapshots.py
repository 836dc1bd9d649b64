"""Snapshots

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "snapshots",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("desktop_id", sa.String(length=36), nullable=False),
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("flavor_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("cloud_name", sa.String(length=255), nullable=False),
        sa.Column("cloud_id", sa.String(length=255), nullable=True),
        sa.Column("has_memory", sa.Boolean(), nullable=False),
        sa.Column("size_mib", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["desktop_id"], ["desktops.id"], name=op.f("fk_snapshots_desktop_id")),
        sa.ForeignKeyConstraint(["flavor_id"], ["flavors.id"], name=op.f("fk_snapshots_flavor_id")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_snapshots_image_id")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_snapshots_organization_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshots")),
        sa.UniqueConstraint("desktop_id", "cloud_id", name=op.f("uq_snapshots_desktop_id_cloud_id")),
        sa.UniqueConstraint("desktop_id", "name", name=op.f("uq_snapshots_desktop_id_name")),
    )


def downgrade() -> None:
    op.drop_table("snapshots")
