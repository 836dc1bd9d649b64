"""A secret beside each ticket that gets its session back when the line broke

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tickets", sa.Column("resume_digest", sa.String(length=64), nullable=True))
    op.add_column("tickets", sa.Column("resumed_at", UtcDateTime(), nullable=True))
    op.create_index(op.f("uq_tickets_resume_digest"), "tickets", ["resume_digest"], unique=True)


def downgrade() -> None:
    op.drop_index(op.f("uq_tickets_resume_digest"), table_name="tickets")
    op.drop_column("tickets", "resumed_at")
    op.drop_column("tickets", "resume_digest")
