"""What screens allow, for whom

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "screen_policies",
        sa.Column("subject_kind", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("says", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_screen_policies_organization_id")),
        sa.PrimaryKeyConstraint("subject_kind", "subject_id", name=op.f("pk_screen_policies")),
    )
    op.create_index(op.f("ix_screen_policies_organization_id"), "screen_policies", ["organization_id"])


def downgrade() -> None:
    op.drop_table("screen_policies")
