"""Decisions know their alert by name, so that one can ask for them without knowing a fingerprint."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("decision") as table:
        table.add_column(sa.Column("alertname", sa.String(length=255)))
        table.create_index(op.f("ix_decision_alertname"), ["alertname"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("decision") as table:
        table.drop_index(op.f("ix_decision_alertname"))
        table.drop_column("alertname")
