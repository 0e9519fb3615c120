"""Runs have short names; pages of single timeline entries are found by their incident."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    with op.batch_alter_table("run") as table:
        table.add_column(sa.Column("handle", sa.String(length=16), nullable=False, server_default=""))
    connection = op.get_bind()
    run = sa.table("run", sa.column("run_id", sa.String), sa.column("handle", sa.String))
    for run_id in connection.execute(sa.select(run.c.run_id)).scalars().all():
        # As opsbot.incident.handle.digits_of is at this revision.
        handle = hashlib.sha256(run_id.encode()).hexdigest()[:12]
        connection.execute(sa.update(run).where(run.c.run_id == run_id).values(handle=handle))
    op.create_index("ix_run_handle", "run", ["handle"])
    op.create_index("ix_outbox_incident", "outbox", ["incident_number", "kind"])


def downgrade() -> None:
    op.drop_index("ix_outbox_incident", table_name="outbox")
    op.drop_index("ix_run_handle", table_name="run")
    with op.batch_alter_table("run") as table:
        table.drop_column("handle")
