"""What was made by a document

Revision ID: 0020
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None

_ID = sa.String(length=36)
_NAME = sa.String(length=255)
_WORD = sa.String(length=32)


def upgrade() -> None:
    for table in ("pools", "schedules", "quotas"):
        op.add_column(table, sa.Column("document", _NAME, nullable=True))


def downgrade() -> None:
    for table in ("quotas", "schedules", "pools"):
        op.drop_column(table, "document")
