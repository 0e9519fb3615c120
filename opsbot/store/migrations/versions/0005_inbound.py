"""Ids of inbound events that were accepted, so that a webhook that comes twice counts once."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "inbound_event",
        sa.Column("receiver", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", "digest"),
    )
    op.create_index("ix_inbound_event_at", "inbound_event", ["at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_inbound_event_at", table_name="inbound_event")
    op.drop_table("inbound_event")
