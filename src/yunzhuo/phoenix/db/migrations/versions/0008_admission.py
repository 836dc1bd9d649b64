"""Admission of operations, where servers are and what they are called, what is left behind

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_INDEXES = (
    ("organization_id", "created_at"),
    ("lane", "status", "organization_id", "user_id", "created_at"),
    ("lane", "admitted_at"),
)


def upgrade() -> None:
    op.create_table(
        "leftovers",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("cloud_id", sa.String(length=255), nullable=False),
        sa.Column("desktop_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("first_seen_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leftovers")),
        sa.UniqueConstraint("kind", "cloud_id", name=op.f("uq_leftovers_kind_cloud_id")),
    )
    lanes = op.create_table(
        "admission_lanes",
        sa.Column("lane", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("lane", name=op.f("pk_admission_lanes")),
    )
    op.bulk_insert(lanes, [{"lane": "build"}, {"lane": "start"}])
    op.create_table(
        "admission_turns",
        sa.Column("lane", sa.String(length=32), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("served_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_admission_turns_organization_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_admission_turns_user_id")),
        sa.PrimaryKeyConstraint("lane", "organization_id", "user_id", name=op.f("pk_admission_turns")),
    )
    with op.batch_alter_table("desktops", schema=None) as batch_op:
        batch_op.add_column(sa.Column("server_name", sa.String(length=255), nullable=True))
        batch_op.add_column(sa.Column("host", sa.String(length=255), nullable=True))
    # What is going on while this runs has been let in before there was a door.
    with op.batch_alter_table("operations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("lane", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("host", sa.String(length=255), nullable=True))
        batch_op.add_column(sa.Column("admitted_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("error_detail", sa.String(length=2000), nullable=True))
        for columns in _INDEXES:
            batch_op.create_index(batch_op.f(f"ix_operations_{'_'.join(columns)}"), list(columns), unique=False)


def downgrade() -> None:
    _give_back_foreign_key_index()
    with op.batch_alter_table("operations", schema=None) as batch_op:
        for columns in reversed(_INDEXES):
            batch_op.drop_index(batch_op.f(f"ix_operations_{'_'.join(columns)}"))
        for column in ("error_detail", "admitted_at", "host", "lane"):
            batch_op.drop_column(column)
    with op.batch_alter_table("desktops", schema=None) as batch_op:
        batch_op.drop_column("host")
        batch_op.drop_column("server_name")
    op.drop_table("admission_turns")
    op.drop_table("admission_lanes")
    op.drop_table("leftovers")


def _give_back_foreign_key_index() -> None:
    """MariaDB makes an index for a foreign key by itself, and drops it in silence when another one can do its work."""
    bind = op.get_bind()
    if bind.dialect.name not in {"mysql", "mariadb"}:
        return
    name = "fk_operations_organization_id"
    if name not in {index["name"] for index in sa.inspect(bind).get_indexes("operations")}:
        op.create_index(name, "operations", ["organization_id"])
