"""Runs that people start, pause and repeat; several approvers, announcements, one arbiter per knob, the global stop."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"

RUN_COLUMNS = (
    ("requester", sa.String(length=128)),
    ("inputs", sa.JSON()),
    ("is_drill", sa.Boolean()),
    ("admitted_at", sa.Float()),
    ("concurrency_group", sa.String(length=256)),
    ("deadline", sa.Float()),
    ("paused_at", sa.Float()),
    ("paused_by", sa.String(length=128)),
    ("pause_reason", sa.Text()),
    ("follows", sa.String(length=512)),
    ("from_step", sa.String(length=128)),
    ("ends_as", sa.String(length=16)),
)
STEP_COLUMNS = (
    ("item", sa.JSON()),
    ("outputs", sa.JSON()),
    ("until", sa.Float()),
    ("num_asked", sa.Integer()),
    ("num_done", sa.Integer()),
    ("following", sa.String(length=16)),
    ("skipped_by", sa.String(length=128)),
    ("skip_reason", sa.Text()),
)
APPROVAL_COLUMNS = (
    ("count", sa.Integer()),
    ("on_timeout", sa.String(length=16)),
    ("excluded", sa.String(length=128)),
    ("glass_reason", sa.Text()),
)
DEFAULTS: dict[str, Any] = {
    "requester": "",
    "is_drill": sa.false(),
    "num_asked": "0",
    "num_done": "0",
    "following": "",
    "count": "1",
    "on_timeout": "abort",
}


def upgrade() -> None:
    for name, columns in (("run", RUN_COLUMNS), ("run_step", STEP_COLUMNS), ("approval", APPROVAL_COLUMNS)):
        with op.batch_alter_table(name) as table:
            for column, kind in columns:
                default = DEFAULTS.get(column)
                table.add_column(sa.Column(column, kind, nullable=default is None, server_default=default))
            if name == "approval":
                table.alter_column("role", existing_type=sa.String(length=32), type_=sa.String(length=128))
    # A run of before was admitted when it was started.
    op.execute("UPDATE run SET admitted_at = started_at")
    op.create_index("ix_run_runbook", "run", ["runbook_id", "admitted_at"])
    op.create_table(
        "approval_vote",
        sa.Column("approval_id", sa.String(length=128), sa.ForeignKey("approval.approval_id"), primary_key=True),
        sa.Column("user_id", sa.String(length=128), primary_key=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("via", sa.String(length=32), nullable=False),
    )
    op.create_table(
        "announcement",
        sa.Column("announcement_id", sa.String(length=128), primary_key=True),
        sa.Column("run_id", sa.String(length=512), sa.ForeignKey("run.run_id"), nullable=False),
        sa.Column("step_id", sa.String(length=128), nullable=False),
        sa.Column("incident_number", sa.Integer(), sa.ForeignKey("incident.number"), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("countdown_s", sa.Float(), nullable=False),
        sa.Column("calls_for_capacity", sa.Boolean(), nullable=False),
        sa.Column("requested_at", sa.Float(), nullable=False),
        sa.Column("paged_at", sa.Float()),
        sa.Column("delivered_at", sa.Float()),
        sa.Column("delivered_by", sa.String(length=32)),
        sa.Column("ends_at", sa.Float()),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("offers", sa.JSON(), nullable=False),
        sa.Column("decided_by", sa.String(length=128)),
        sa.Column("decided_at", sa.Float()),
        sa.Column("reason", sa.Text()),
    )
    op.create_index("ix_announcement_run_id", "announcement", ["run_id"])
    op.create_table(
        "knob_lock",
        sa.Column("knob", sa.String(length=256), primary_key=True),
        sa.Column("run_id", sa.String(length=512), sa.ForeignKey("run.run_id"), nullable=False),
        sa.Column("step_id", sa.String(length=128), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
    )
    op.create_index("ix_knob_lock_run_id", "knob_lock", ["run_id"])
    op.create_table(
        "hold",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("pattern", sa.String(length=256), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("ends_at", sa.Float(), nullable=False),
        sa.Column("ended_by", sa.String(length=128)),
    )
    op.create_table(
        "halt",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("ended_by", sa.String(length=128)),
        sa.Column("ended_at", sa.Float()),
    )


def downgrade() -> None:
    for table in ("halt", "hold", "knob_lock", "announcement", "approval_vote"):
        op.drop_table(table)
    op.drop_index("ix_run_runbook", table_name="run")
    for name, columns in (("approval", APPROVAL_COLUMNS), ("run_step", STEP_COLUMNS), ("run", RUN_COLUMNS)):
        with op.batch_alter_table(name) as batch:
            for column, _ in columns:
                batch.drop_column(column)
            if name == "approval":
                batch.alter_column("role", existing_type=sa.String(length=128), type_=sa.String(length=32))
