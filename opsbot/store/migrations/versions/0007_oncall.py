"""Escalations with their deadlines, and the row that the heartbeat writes to see that the database takes changes."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "escalation",
        sa.Column("incident_number", sa.Integer(), sa.ForeignKey("incident.number"), primary_key=True),
        sa.Column("plan", sa.Text()),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("next_at", sa.Float()),
        sa.Column("remaining_s", sa.Float(), nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
    )
    op.create_index("ix_escalation_state", "escalation", ["state"])
    op.create_table(
        "heartbeat",
        sa.Column("instance", sa.String(length=128), primary_key=True),
        sa.Column("at", sa.Float(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("heartbeat")
    op.drop_index("ix_escalation_state", table_name="escalation")
    op.drop_table("escalation")
