"""Builds that were given up

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("operation_steps") as table:
        table.add_column(sa.Column("host", sa.String(length=255), nullable=True))
    op.create_index(op.f("ix_departed_servers_desktop_id"), "departed_servers", ["desktop_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_departed_servers_desktop_id"), "departed_servers")
    with op.batch_alter_table("operation_steps") as table:
        table.drop_column("host")
