"""Floating IPs, and servers that desktops had

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_ID = sa.String(length=36)
_NAME = sa.String(length=255)


def upgrade() -> None:
    op.create_table(
        "addresses",
        sa.Column("id", _ID, nullable=False),
        sa.Column("network_id", _NAME, nullable=False),
        sa.Column("cloud_id", _NAME, nullable=True),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("desktop_id", _ID, nullable=True),
        sa.Column("attached_at", UtcDateTime(), nullable=True),
        sa.Column("leaving_server_id", _NAME, nullable=True),
        sa.Column("free_since", UtcDateTime(), nullable=True),
        sa.Column("missing_since", UtcDateTime(), nullable=True),
        sa.Column("given_up_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["desktop_id"], ["desktops.id"], name=op.f("fk_addresses_desktop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_addresses")),
        sa.UniqueConstraint("cloud_id", name=op.f("uq_addresses_cloud_id")),
        sa.UniqueConstraint("desktop_id", name=op.f("uq_addresses_desktop_id")),
    )
    op.create_index(op.f("ix_addresses_desktop_id_free_since"), "addresses", ["desktop_id", "free_since"])
    op.create_table(
        "external_networks",
        sa.Column("cloud_id", _NAME, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.PrimaryKeyConstraint("cloud_id", name=op.f("pk_external_networks")),
    )
    op.create_table(
        "departed_servers",
        sa.Column("server_id", _NAME, nullable=False),
        sa.Column("desktop_id", _ID, nullable=False),
        sa.Column("departed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("server_id", name=op.f("pk_departed_servers")),
    )
    op.create_index(op.f("ix_departed_servers_departed_at"), "departed_servers", ["departed_at"])
    op.add_column("leftovers", sa.Column("is_removed_by_rule", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(sa.text("UPDATE leftovers SET is_removed_by_rule = (reason = 'left_behind')"))


def downgrade() -> None:
    op.drop_column("leftovers", "is_removed_by_rule")
    op.drop_table("departed_servers")
    op.drop_table("external_networks")
    op.drop_table("addresses")
