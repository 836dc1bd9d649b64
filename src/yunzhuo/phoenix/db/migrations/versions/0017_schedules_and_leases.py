"""Schedules and what became of them, how timers keep time; when desktops end, and the bin

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

from yunzhuo.phoenix.db.base import UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ID = sa.String(length=36)
_NAME = sa.String(length=255)
_WORD = sa.String(length=32)


def upgrade() -> None:
    _add_schedules()
    _add_leases()


def downgrade() -> None:
    op.drop_table("lease_terms")
    for name in ("bin_until", "ends_at"):
        op.drop_index(op.f(f"ix_desktops_{name}"), table_name="desktops")
    for name in ("bin_until", "binned_at", "warned_at", "warned_hours", "extended", "ends_at"):
        op.drop_column("desktops", name)
    for table in ("timer_beats", "schedule_runs", "schedules"):
        op.drop_table(table)


def _add_schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", _ID, nullable=False),
        sa.Column("organization_id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("rule", sa.String(length=100), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("action", _WORD, nullable=False),
        sa.Column("subject_kind", _WORD, nullable=False),
        sa.Column("subject_id", _ID, nullable=False),
        sa.Column("leaves_connected", sa.Boolean(), nullable=False),
        sa.Column("catch_up_minutes", sa.Integer(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=True),
        sa.Column("paused_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_schedules_organization_id")),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name=op.f("fk_schedules_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint("account_id", name=op.f("uq_schedules_account_id")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_schedules_organization_id_name")),
    )
    op.create_index(op.f("ix_schedules_next_at"), "schedules", ["next_at"])
    op.create_table(
        "schedule_runs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("schedule_id", _ID, nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("status", _WORD, nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("begun", sa.Integer(), nullable=False),
        sa.Column("untouched", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(length=1000), nullable=True),
        sa.Column("last_desktop_id", _ID, nullable=True),
        sa.Column("lease_owner", _NAME, nullable=True),
        sa.Column("lease_expires_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name=op.f("fk_schedule_runs_schedule_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule_runs")),
        sa.UniqueConstraint("schedule_id", "due_at", name=op.f("uq_schedule_runs_schedule_id_due_at")),
    )
    op.create_index(op.f("ix_schedule_runs_status_due_at"), "schedule_runs", ["status", "due_at"])
    op.create_index(op.f("ix_schedule_runs_started_at"), "schedule_runs", ["started_at"])
    op.create_table(
        "timer_beats",
        sa.Column("scheduler", _NAME, nullable=False),
        sa.Column("timer", _WORD, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("took_seconds", sa.Double(), nullable=False),
        sa.Column("failure_code", sa.String(length=64), nullable=True),
        sa.Column("failing_since", UtcDateTime(), nullable=True),
        sa.Column("reported_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("scheduler", "timer", name=op.f("pk_timer_beats")),
    )
    op.create_index(op.f("ix_timer_beats_reported_at"), "timer_beats", ["reported_at"])


def _add_leases() -> None:
    op.create_table(
        "lease_terms",
        sa.Column("subject_id", _ID, nullable=False),
        sa.Column("subject_kind", _WORD, nullable=False),
        sa.Column("organization_id", _ID, nullable=False),
        sa.Column("days", sa.Integer(), nullable=True),
        sa.Column("extend_days", sa.Integer(), nullable=False),
        sa.Column("extend_times", sa.Integer(), nullable=False),
        sa.Column("warn_hours", sa.JSON(), nullable=False),
        sa.Column("bin_days", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_lease_terms_organization_id")),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_lease_terms")),
    )
    op.create_index(op.f("ix_lease_terms_organization_id"), "lease_terms", ["organization_id"])
    op.add_column("desktops", sa.Column("ends_at", UtcDateTime(), nullable=True))
    op.add_column("desktops", sa.Column("extended", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("desktops", sa.Column("warned_hours", sa.Integer(), nullable=True))
    op.add_column("desktops", sa.Column("warned_at", UtcDateTime(), nullable=True))
    op.add_column("desktops", sa.Column("binned_at", UtcDateTime(), nullable=True))
    op.add_column("desktops", sa.Column("bin_until", UtcDateTime(), nullable=True))
    for name in ("ends_at", "bin_until"):
        op.create_index(op.f(f"ix_desktops_{name}"), "desktops", [name])
