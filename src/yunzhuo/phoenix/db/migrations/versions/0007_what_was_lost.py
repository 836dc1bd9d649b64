"""What a desktop has lost, by code

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("desktops") as batch:
        batch.add_column(sa.Column("observed_fault_code", sa.String(length=32), nullable=True))
    with op.batch_alter_table("operations") as batch:
        batch.add_column(sa.Column("note_code", sa.String(length=32), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("operations") as batch:
        batch.drop_column("note_code")
    with op.batch_alter_table("desktops") as batch:
        batch.drop_column("observed_fault_code")
