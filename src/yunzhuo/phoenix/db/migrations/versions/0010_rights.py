"""Groups, roles of an organization's own, delegation, quotas, usage, and the chain of the audit log

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
# Nothing has been released yet that wrote it; what it held is in "after".
contracts = ("audit_entries.detail",)

_ID = sa.String(length=36)


def upgrade() -> None:
    _make_rights()
    _make_usage()
    # Not in a batch: SQLite would make the table anew, and others refer to it.
    op.add_column("organizations", sa.Column("disabled_at", UtcDateTime(), nullable=True))
    op.add_column("organizations", sa.Column("is_default", sa.Boolean(), nullable=False, server_default=sa.text("0")))
    op.execute("UPDATE organizations SET is_default = (name = 'default')")
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("owner_id", _ID, nullable=True))
        batch_op.add_column(sa.Column("sequence", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("chain_hash", sa.String(length=64), nullable=True))
        batch_op.create_unique_constraint(batch_op.f("uq_audit_entries_sequence"), ["sequence"])
    entries = sa.table("audit_entries", sa.column("id"), sa.column("detail"), sa.column("after", sa.JSON(none_as_null=True)))
    connection = op.get_bind()
    told = connection.execute(
        sa.select(entries.c.id, entries.c.detail).where(entries.c.detail.is_not(None), entries.c.after.is_(sa.null()))
    ).all()
    for entry_id, detail in told:
        connection.execute(entries.update().where(entries.c.id == entry_id).values(after={"detail": detail}))
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.drop_column("detail")
    op.create_table(
        "audit_chain",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("base_sequence", sa.BigInteger(), nullable=False),
        sa.Column("base_hash", sa.String(length=64), nullable=False),
        sa.Column("head_sequence", sa.BigInteger(), nullable=False),
        sa.Column("head_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_chain")),
    )
    start = "0" * 64
    op.execute(f"INSERT INTO audit_chain VALUES (1, 0, '{start}', 0, '{start}')")  # nosec B608 # zeros
    # Until now administrators ran the installation, too: those who do keep that right.
    op.execute("UPDATE users SET role = 'operator' WHERE role = 'administrator'")


def _make_rights() -> None:
    op.create_table(
        "groups",
        sa.Column("id", _ID, nullable=False),
        sa.Column("organization_id", _ID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_groups_organization_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_groups_organization_id_name")),
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("is_owner", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_group_members_group_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_group_members_user_id")),
        sa.PrimaryKeyConstraint("group_id", "user_id", name=op.f("pk_group_members")),
    )
    op.create_index(op.f("ix_group_members_user_id_is_owner"), "group_members", ["user_id", "is_owner"])
    op.create_table(
        "roles",
        sa.Column("id", _ID, nullable=False),
        sa.Column("organization_id", _ID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("grants", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_roles_organization_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roles")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_roles_organization_id_name")),
    )
    op.create_table(
        "role_grants",
        sa.Column("holder_id", _ID, nullable=False),
        sa.Column("role_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(["role_id"], ["roles.id"], name=op.f("fk_role_grants_role_id")),
        sa.PrimaryKeyConstraint("holder_id", "role_id", name=op.f("pk_role_grants")),
    )
    op.create_index(op.f("ix_role_grants_role_id"), "role_grants", ["role_id"])
    op.create_table(
        "delegations",
        sa.Column("to_user_id", _ID, nullable=False),
        sa.Column("from_user_id", _ID, nullable=False),
        sa.Column("verb", sa.String(length=64), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["to_user_id"], ["users.id"], name=op.f("fk_delegations_to_user_id")),
        sa.ForeignKeyConstraint(["from_user_id"], ["users.id"], name=op.f("fk_delegations_from_user_id")),
        sa.PrimaryKeyConstraint("to_user_id", "from_user_id", "verb", name=op.f("pk_delegations")),
    )
    op.create_index(op.f("ix_delegations_from_user_id"), "delegations", ["from_user_id"])


def _make_usage() -> None:
    op.create_table(
        "quotas",
        sa.Column("subject_kind", sa.String(length=32), nullable=False),
        sa.Column("subject_id", _ID, nullable=False),
        sa.Column("resource", sa.String(length=32), nullable=False),
        sa.Column("organization_id", _ID, nullable=False),
        sa.Column("most", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_quotas_organization_id")),
        sa.PrimaryKeyConstraint("subject_kind", "subject_id", "resource", name=op.f("pk_quotas")),
    )
    op.create_index(op.f("ix_quotas_organization_id"), "quotas", ["organization_id"])
    op.create_table(
        "usage_days",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("organization_id", _ID, nullable=False),
        sa.Column("desktops", sa.Integer(), nullable=False),
        sa.Column("running_seconds", sa.BigInteger(), nullable=False),
        sa.Column("vcpu_seconds", sa.BigInteger(), nullable=False),
        sa.Column("memory_mib_seconds", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_usage_days_user_id")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_usage_days_organization_id")),
        sa.PrimaryKeyConstraint("user_id", "day", name=op.f("pk_usage_days")),
    )
    op.create_index(op.f("ix_usage_days_organization_id_day"), "usage_days", ["organization_id", "day"])
    op.create_table(
        "usage_marks",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("counted_until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_marks")),
    )


def downgrade() -> None:
    op.execute("UPDATE users SET role = 'administrator' WHERE role = 'operator'")
    op.execute("UPDATE users SET role = 'user' WHERE role IN ('teacher', 'auditor')")
    op.drop_table("audit_chain")
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("detail", sa.String(length=400), nullable=True))
        batch_op.drop_constraint(batch_op.f("uq_audit_entries_sequence"), type_="unique")
        batch_op.drop_column("chain_hash")
        batch_op.drop_column("sequence")
        batch_op.drop_column("owner_id")
    op.drop_column("organizations", "is_default")
    op.drop_column("organizations", "disabled_at")
    for table in ("usage_marks", "usage_days", "quotas", "delegations", "role_grants", "roles", "group_members", "groups"):
        op.drop_table(table)
