"""What was made by a document; what is done about idle desktops

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_ID = sa.String(length=36)
_NAME = sa.String(length=255)
_WORD = sa.String(length=32)


def upgrade() -> None:
    for table in ("pools", "schedules", "quotas"):
        op.add_column(table, sa.Column("document", _NAME, nullable=True))
    op.create_table(
        "idle_terms",
        sa.Column("subject_id", _ID, nullable=False),
        sa.Column("subject_kind", _WORD, nullable=False),
        sa.Column("organization_id", _ID, nullable=False),
        sa.Column("disconnected_minutes", sa.Integer(), nullable=True),
        sa.Column("closed_minutes", sa.Integer(), nullable=True),
        sa.Column("disconnected_deed", _WORD, nullable=False),
        sa.Column("no_input_minutes", sa.Integer(), nullable=True),
        sa.Column("no_input_deed", _WORD, nullable=False),
        sa.Column("unassigned_minutes", sa.Integer(), nullable=True),
        sa.Column("notice_minutes", sa.Integer(), nullable=False),
        sa.Column("busy_percent", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_idle_terms_organization_id")),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_idle_terms")),
    )
    op.create_index(op.f("ix_idle_terms_organization_id"), "idle_terms", ["organization_id"])
    op.add_column("desktops", sa.Column("idle_cause", _WORD, nullable=True))
    for name in ("idle_warned_at", "idle_ends_at", "busy_at"):
        op.add_column("desktops", sa.Column(name, UtcDateTime(), nullable=True))
    op.add_column("schedules", sa.Column("warned_for", UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("schedules", "warned_for")
    for name in ("busy_at", "idle_ends_at", "idle_warned_at", "idle_cause"):
        op.drop_column("desktops", name)
    op.drop_table("idle_terms")
    for table in ("quotas", "schedules", "pools"):
        op.drop_column(table, "document")
