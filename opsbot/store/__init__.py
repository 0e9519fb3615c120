"""The store: incidents, timeline, runs, approvals and the outbox, in SQLite or PostgreSQL."""
