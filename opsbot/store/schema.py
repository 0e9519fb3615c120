"""The tables. Times are seconds since the epoch, UTC; JSON columns hold plain values."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text, false
from sqlalchemy import UniqueConstraint as Unique

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "uq": "uq_%(table_name)s_%(column_0_name)s"}
)

incident = Table(
    "incident",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("episode", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("acknowledged_by", String(128)),
    Column("resolved_at", Float),
    Column("value", Float),
    Column("is_blind", Boolean, nullable=False, default=False),
    Column("lead", String(64), nullable=False, server_default=""),
    Column("num_alerts", Integer, nullable=False, server_default="1"),
    Column("num_firing", Integer, nullable=False, server_default="1"),
    Column("hold_kind", String(16)),
    Column("hold_reason", Text),
    Column("hold_until", Float),
    Column("merged_into", Integer),
    Unique("fingerprint", "episode"),
    Index(None, "state"),
    Index(None, "merged_into"),
)

alert = Table(
    "alert",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("episode", Integer, nullable=False),
    Column("alertname", String(255), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("source", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("ends_at", Float),
    Column("received_at", Float, nullable=False),
    Column("value", Float),
    Column("is_blind", Boolean, nullable=False, default=False),
    Column("incident_number", Integer, ForeignKey("incident.number")),
    Column("hiding", String(16)),
    Column("hidden_by", String(64)),
    Column("hidden_until", Float),
    Unique("fingerprint", "episode"),
    Index(None, "state"),
    Index(None, "alertname", "received_at"),
    Index(None, "incident_number"),
)

silence = Table(
    "silence",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("matchers", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("ends_at", Float, nullable=False),
    Column("ended_by", String(128)),
    Column("num_hidden", Integer, nullable=False, default=0),
    Column("warned_at", Float),
    Column("request_id", String(128), unique=True),
    Index(None, "ends_at"),
)

incident_link = Table(
    "incident_link",
    metadata,
    Column("one", Integer, ForeignKey("incident.number"), primary_key=True),
    Column("other", Integer, ForeignKey("incident.number"), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("at", Float, nullable=False),
)

timeline = Table(
    "timeline",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("key", String(512), nullable=False, unique=True),
    Column("incident_number", Integer, ForeignKey("incident.number"), nullable=False),
    Column("at", Float, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("is_broadcast", Boolean, nullable=False),
    Column("via", String(32), nullable=False, server_default=""),
    Index(None, "incident_number"),
)

run = Table(
    "run",
    metadata,
    Column("run_id", String(512), primary_key=True),
    Column("incident_number", Integer, ForeignKey("incident.number"), nullable=False),
    Column("runbook_id", String(128), nullable=False),
    Column("runbook_name", Text, nullable=False),
    Column("revision", String(64), nullable=False),
    Column("runbook_json", Text, nullable=False),
    Column("interpreter_version", Integer, nullable=False),
    Column("labels", JSON),
    Column("state", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("requester", String(128), nullable=False, server_default=""),
    Column("inputs", JSON),
    Column("is_drill", Boolean, nullable=False, server_default=false()),
    Column("admitted_at", Float),
    Column("concurrency_group", String(256)),
    Column("deadline", Float),
    Column("paused_at", Float),
    Column("paused_by", String(128)),
    Column("pause_reason", Text),
    Column("follows", String(512)),
    Column("from_step", String(128)),
    Column("ends_as", String(16)),
    Column("handle", String(16), nullable=False, server_default=""),
    Index(None, "state"),
    Index("ix_run_handle", "handle"),
    Index("ix_run_incident", "incident_number"),
    Index("ix_run_runbook", "runbook_id", "admitted_at"),
)

run_step = Table(
    "run_step",
    metadata,
    Column("run_id", String(512), ForeignKey("run.run_id"), primary_key=True),
    Column("step_id", String(128), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("uses", String(128), nullable=False),
    Column("state", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("prior", JSON),
    Column("arguments", JSON),
    Column("arguments_digest", String(64)),
    Column("lease_id", String(128)),
    Column("idempotency_key", String(1024)),
    Column("lease_released", Boolean, nullable=False, default=False),
    Column("item", JSON),
    Column("outputs", JSON),
    Column("until", Float),
    Column("num_asked", Integer, nullable=False, server_default="0"),
    Column("num_done", Integer, nullable=False, server_default="0"),
    Column("following", String(16), nullable=False, server_default=""),
    Column("skipped_by", String(128)),
    Column("skip_reason", Text),
    Column("updated_at", Float, nullable=False),
)

approval = Table(
    "approval",
    metadata,
    Column("approval_id", String(128), primary_key=True),
    Column("run_id", String(512), ForeignKey("run.run_id"), nullable=False),
    Column("step_id", String(128), nullable=False),
    Column("incident_number", Integer, ForeignKey("incident.number"), nullable=False),
    Column("role", String(128), nullable=False),
    Column("will_do", Text, nullable=False),
    Column("undo", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("requested_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("state", String(16), nullable=False),
    Column("decided_by", String(128)),
    Column("decided_at", Float),
    Column("count", Integer, nullable=False, server_default="1"),
    Column("on_timeout", String(16), nullable=False, server_default="abort"),
    Column("excluded", String(128)),
    Column("glass_reason", Text),
    Index(None, "run_id"),
)

approval_vote = Table(
    "approval_vote",
    metadata,
    Column("approval_id", String(128), ForeignKey("approval.approval_id"), primary_key=True),
    Column("user_id", String(128), primary_key=True),
    Column("at", Float, nullable=False),
    Column("via", String(32), nullable=False),
)

announcement = Table(
    "announcement",
    metadata,
    Column("announcement_id", String(128), primary_key=True),
    Column("run_id", String(512), ForeignKey("run.run_id"), nullable=False),
    Column("step_id", String(128), nullable=False),
    Column("incident_number", Integer, ForeignKey("incident.number"), nullable=False),
    Column("message", Text, nullable=False),
    Column("countdown_s", Float, nullable=False),
    Column("calls_for_capacity", Boolean, nullable=False),
    Column("requested_at", Float, nullable=False),
    Column("paged_at", Float),
    Column("delivered_at", Float),
    Column("delivered_by", String(32)),
    Column("ends_at", Float),
    Column("state", String(16), nullable=False),
    Column("offers", JSON, nullable=False),
    Column("decided_by", String(128)),
    Column("decided_at", Float),
    Column("reason", Text),
    Index(None, "run_id"),
)

knob_lock = Table(
    "knob_lock",
    metadata,
    Column("knob", String(256), primary_key=True),
    Column("run_id", String(512), ForeignKey("run.run_id"), nullable=False),
    Column("step_id", String(128), nullable=False),
    Column("at", Float, nullable=False),
    Index(None, "run_id"),
)

hold = Table(
    "hold",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("pattern", String(256), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("ends_at", Float, nullable=False),
    Column("ended_by", String(128)),
)

halt = Table(
    "halt",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("ended_by", String(128)),
    Column("ended_at", Float),
)

outbox = Table(
    "outbox",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("key", String(600), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("ref", String(512), nullable=False),
    Column("incident_number", Integer, ForeignKey("incident.number")),
    Column("revision", Integer, nullable=False),
    Column("delivered_revision", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("channel", String(64)),
    Column("ts", String(64)),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Float, nullable=False),
    Column("last_error", Text),
    Index("ix_outbox_incident", "incident_number", "kind"),
)

notice = Table(
    "notice",
    metadata,
    Column("key", String(256), primary_key=True),
    Column("text", Text, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("at", Float, nullable=False),
)

decision = Table(
    "decision",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("alertname", String(255)),
    Index(None, "fingerprint"),
    Index(None, "alertname"),
    Index("ix_decision_time", "at"),
)

inbound_event = Table(
    "inbound_event",
    metadata,
    Column("receiver", String(64), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("at", Float, nullable=False),
    Index("ix_inbound_event_at", "at"),
)

escalation = Table(
    "escalation",
    metadata,
    Column("incident_number", Integer, ForeignKey("incident.number"), primary_key=True),
    Column("plan", Text),
    Column("revision", String(64), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("next_at", Float),
    Column("remaining_s", Float, nullable=False),
    Column("asked", JSON, nullable=False),
    Index(None, "state"),
)

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("instance", String(128), primary_key=True),
    Column("at", Float, nullable=False),
)
