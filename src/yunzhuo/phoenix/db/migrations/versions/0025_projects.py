"""Projects of organizations in the cloud

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_NAME = sa.String(length=255)
_PLACED = ("organizations", "desktops", "personal_disks", "addresses")


def upgrade() -> None:
    for table in _PLACED:
        op.add_column(table, sa.Column("project_id", _NAME, nullable=True))
    # Those that are there stay in the project that all share until somebody says otherwise.
    op.add_column("organizations", sa.Column("has_own_project", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("organizations", sa.Column("project_quota", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("organizations", "project_quota")
    op.drop_column("organizations", "has_own_project")
    for table in reversed(_PLACED):
        op.drop_column(table, "project_id")
