"""One message may say what several items were to say; what waits is found by an index of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"

BEHIND = sa.text("revision > delivered_revision")
CARRIED = sa.text("carried_by IS NOT NULL")
OPEN = sa.text("state = 'open'")


def upgrade() -> None:
    with op.batch_alter_table("outbox") as table:
        table.add_column(sa.Column("carried_by", sa.String(length=600)))
    # From this revision on whatever is being posted is behind.
    op.execute(
        "UPDATE outbox SET delivered_revision = revision - 1 WHERE state = 'sending' AND delivered_revision >= revision"
    )
    op.create_index("ix_outbox_behind", "outbox", ["kind"], sqlite_where=BEHIND, postgresql_where=BEHIND)
    op.create_index("ix_outbox_carried", "outbox", ["carried_by"], sqlite_where=CARRIED, postgresql_where=CARRIED)
    for table_name in ("approval", "announcement"):
        op.create_index(
            f"ix_{table_name}_open", table_name, ["incident_number"], sqlite_where=OPEN, postgresql_where=OPEN
        )


def downgrade() -> None:
    op.drop_index("ix_announcement_open", table_name="announcement")
    op.drop_index("ix_approval_open", table_name="approval")
    op.drop_index("ix_outbox_carried", table_name="outbox")
    op.drop_index("ix_outbox_behind", table_name="outbox")
    with op.batch_alter_table("outbox") as table:
        table.drop_column("carried_by")
