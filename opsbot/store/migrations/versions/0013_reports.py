"""What is told of the fleet's load at set times, and load tests."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

OPEN = sa.text("state = 'open'")


def upgrade() -> None:
    op.create_table(
        "report",
        sa.Column("key", sa.String(length=128), primary_key=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("slot", sa.Float(), nullable=False),
        sa.Column("made_at", sa.Float(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("png", sa.LargeBinary()),
        sa.Column("file_id", sa.String(length=64)),
        sa.Column("is_told", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_report_kind", "report", ["kind", "slot"])
    op.create_table(
        "load_test",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("run_id", sa.String(length=512)),
        sa.Column("announced_at", sa.Float(), nullable=False),
        sa.Column("ends_at", sa.Float(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("png", sa.LargeBinary()),
        sa.Column("file_id", sa.String(length=64)),
        sa.UniqueConstraint("request_id", name="uq_load_test_request_id"),
    )
    op.create_index("ix_load_test_state", "load_test", ["state"])
    op.create_index(
        "uq_load_test_open", "load_test", ["cluster"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    )


def downgrade() -> None:
    op.drop_table("load_test")
    op.drop_table("report")
