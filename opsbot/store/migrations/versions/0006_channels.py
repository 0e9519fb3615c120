"""The outbox serves several channels; notices belong to no incident."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "notice",
        sa.Column("key", sa.String(length=256), primary_key=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
    )
    with op.batch_alter_table("outbox") as table:
        table.alter_column("incident_number", existing_type=sa.Integer(), nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM outbox WHERE incident_number IS NULL")
    with op.batch_alter_table("outbox") as table:
        table.alter_column("incident_number", existing_type=sa.Integer(), nullable=False)
    op.drop_table("notice")
