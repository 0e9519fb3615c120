"""Alerts are kept one by one: grouped into incidents, hidden by silences, held and merged."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INCIDENT = (
    "number",
    "fingerprint",
    "episode",
    "labels",
    "annotations",
    "state",
    "starts_at",
    "opened_at",
    "resolved_at",
    "value",
    "is_blind",
)
ALERT = (
    "fingerprint",
    "episode",
    "alertname",
    "labels",
    "annotations",
    "source",
    "state",
    "starts_at",
    "ends_at",
    "received_at",
    "value",
    "is_blind",
    "incident_number",
)


def upgrade() -> None:
    with op.batch_alter_table("incident") as table:
        table.add_column(sa.Column("lead", sa.String(length=64), nullable=False, server_default=""))
        table.add_column(sa.Column("num_alerts", sa.Integer(), nullable=False, server_default="1"))
        table.add_column(sa.Column("num_firing", sa.Integer(), nullable=False, server_default="1"))
        table.add_column(sa.Column("hold_kind", sa.String(length=16)))
        table.add_column(sa.Column("hold_reason", sa.Text()))
        table.add_column(sa.Column("hold_until", sa.Float()))
        table.add_column(sa.Column("merged_into", sa.Integer()))
        table.create_index("ix_incident_merged_into", ["merged_into"])
    op.create_table(
        "alert",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("alertname", sa.String(length=255), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("annotations", sa.JSON(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("starts_at", sa.Float(), nullable=False),
        sa.Column("ends_at", sa.Float()),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("is_blind", sa.Boolean(), nullable=False),
        sa.Column("incident_number", sa.Integer(), sa.ForeignKey("incident.number")),
        sa.Column("hiding", sa.String(length=16)),
        sa.Column("hidden_by", sa.String(length=64)),
        sa.Column("hidden_until", sa.Float()),
        sa.UniqueConstraint("fingerprint", "episode", name="uq_alert_fingerprint"),
    )
    op.create_index("ix_alert_state", "alert", ["state"])
    op.create_index("ix_alert_alertname", "alert", ["alertname", "received_at"])
    op.create_index("ix_alert_incident_number", "alert", ["incident_number"])
    op.create_table(
        "silence",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("matchers", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("ends_at", sa.Float(), nullable=False),
        sa.Column("ended_by", sa.String(length=128)),
        sa.Column("num_hidden", sa.Integer(), nullable=False),
        sa.Column("warned_at", sa.Float()),
        sa.Column("request_id", sa.String(length=128), unique=True),
    )
    op.create_index("ix_silence_ends_at", "silence", ["ends_at"])
    op.create_table(
        "incident_link",
        sa.Column("one", sa.Integer(), sa.ForeignKey("incident.number"), primary_key=True),
        sa.Column("other", sa.Integer(), sa.ForeignKey("incident.number"), primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
    )
    with op.batch_alter_table("timeline") as table:
        table.add_column(sa.Column("via", sa.String(length=32), nullable=False, server_default=""))
    with op.batch_alter_table("run") as table:
        table.add_column(sa.Column("labels", sa.JSON()))
    _keep_the_alert_of_each_incident()
    op.execute("UPDATE incident SET lead = fingerprint")
    op.execute("UPDATE incident SET num_firing = 0 WHERE state = 'resolved'")


def _keep_the_alert_of_each_incident() -> None:
    """Until now an incident was one alert."""
    incident, alert = sa.table("incident", *map(sa.column, INCIDENT)), sa.table("alert", *map(sa.column, ALERT))
    connection = op.get_bind()
    for row in connection.execute(sa.select(incident)).mappings():
        labels = json.loads(row["labels"]) if isinstance(row["labels"], str) else row["labels"]
        kept = {name: row[name] for name in ALERT if name in INCIDENT and name != "state"}
        for name in ("labels", "annotations"):
            kept[name] = row[name] if isinstance(row[name], str) else json.dumps(row[name])
        connection.execute(
            alert.insert().values(
                **kept,
                alertname=labels.get("alertname", "unnamed")[:255],
                source="watch",
                state="resolved" if row["state"] == "resolved" else "firing",
                ends_at=row["resolved_at"],
                received_at=row["opened_at"],
                incident_number=row["number"],
            )
        )


def downgrade() -> None:
    # Said plainly, since a batch would make the tables anew while others refer to them.
    op.execute("ALTER TABLE run DROP COLUMN labels")
    op.execute("ALTER TABLE timeline DROP COLUMN via")
    for name in ("incident_link", "silence", "alert"):
        op.drop_table(name)
    op.drop_index("ix_incident_merged_into", "incident")
    for name in ("merged_into", "hold_until", "hold_reason", "hold_kind", "num_firing", "num_alerts", "lead"):
        op.execute(f"ALTER TABLE incident DROP COLUMN {name}")
