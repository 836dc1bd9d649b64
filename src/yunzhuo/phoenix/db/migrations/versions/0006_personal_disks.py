"""Personal disks

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "personal_disks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("active_owner_id", sa.String(length=36), nullable=True),
        sa.Column("size_mib", sa.Integer(), nullable=False),
        sa.Column("volume_id", sa.String(length=255), nullable=True),
        sa.Column("desktop_id", sa.String(length=36), nullable=True),
        sa.Column("leaving_desktop_id", sa.String(length=36), nullable=True),
        sa.Column("attached_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["desktop_id"], ["desktops.id"], name=op.f("fk_personal_disks_desktop_id")),
        sa.ForeignKeyConstraint(["leaving_desktop_id"], ["desktops.id"], name=op.f("fk_personal_disks_leaving_desktop_id")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_personal_disks_organization_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_personal_disks_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_personal_disks")),
        sa.UniqueConstraint("active_owner_id", name=op.f("uq_personal_disks_active_owner_id")),
        sa.UniqueConstraint("desktop_id", name=op.f("uq_personal_disks_desktop_id")),
        sa.UniqueConstraint("volume_id", name=op.f("uq_personal_disks_volume_id")),
    )
    op.create_index(op.f("ix_personal_disks_owner_id"), "personal_disks", ["owner_id"])
    op.create_table(
        "disk_snapshots",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("disk_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("cloud_name", sa.String(length=255), nullable=False),
        sa.Column("cloud_id", sa.String(length=255), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["disk_id"], ["personal_disks.id"], name=op.f("fk_disk_snapshots_disk_id")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_disk_snapshots_organization_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disk_snapshots")),
        sa.UniqueConstraint("disk_id", "cloud_id", name=op.f("uq_disk_snapshots_disk_id_cloud_id")),
        sa.UniqueConstraint("disk_id", "name", name=op.f("uq_disk_snapshots_disk_id_name")),
    )


def downgrade() -> None:
    op.drop_table("disk_snapshots")
    op.drop_table("personal_disks")
