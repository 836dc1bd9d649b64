"""A gateway may go, and the history of its sessions stays

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("console_sessions") as batch_op:
        batch_op.alter_column("gateway_id", existing_type=sa.String(length=36), nullable=True)
        batch_op.add_column(sa.Column("gateway_name", sa.String(length=255), nullable=True))


def downgrade() -> None:
    # What has no gateway any more cannot be kept by what knew no such thing.
    op.execute("DELETE FROM console_sessions WHERE gateway_id IS NULL")
    with op.batch_alter_table("console_sessions") as batch_op:
        batch_op.drop_column("gateway_name")
        batch_op.alter_column("gateway_id", existing_type=sa.String(length=36), nullable=False)
