"""The bot's own metrics, and logging that names things but never quotes secrets or prompts."""

from __future__ import annotations

import logging
import sys

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from opsbot.heartbeat.metrics import HeartbeatMetrics

LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class CoreMetrics:
    """What core counts; each instance has a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.alerts_received = Counter(
            "opsbot_alerts_received_total", "Alerts accepted.", ["receiver"], registry=self.registry
        )
        self.alerts_rejected = Counter(
            "opsbot_alerts_rejected_total", "Alerts that were malformed.", ["receiver"], registry=self.registry
        )
        self.alerts_duplicate = Counter(
            "opsbot_alerts_duplicate_total",
            "Alerts whose event id had been accepted before.",
            ["receiver"],
            registry=self.registry,
        )
        self.webhooks_refused = Counter(
            "opsbot_webhooks_refused_total", "Webhooks refused.", ["receiver", "reason"], registry=self.registry
        )
        self.incidents_opened = Counter("opsbot_incidents_opened_total", "Incidents opened.", registry=self.registry)
        self.incidents = Gauge("opsbot_incidents", "Incidents by state.", ["state"], registry=self.registry)
        self.runs = Gauge("opsbot_runs", "Runs by state.", ["state"], registry=self.registry)
        self.bad_files = Gauge(
            "opsbot_runbook_files_bad",
            "Runbook files with a problem; their last good revisions are in force.",
            registry=self.registry,
        )
        self.escalations = Gauge("opsbot_escalations", "Escalations by state.", ["state"], registry=self.registry)
        self.bad_rota = Gauge(
            "opsbot_oncall_file_bad",
            "Whether the on-call file has a problem; its last good revision is in force.",
            registry=self.registry,
        )
        self.heartbeat = HeartbeatMetrics(self.registry)

    def exposition(self) -> str:
        """Prometheus's text format 0.0.4."""
        return generate_latest(self.registry).decode()


def configure_logging(level: int = logging.INFO) -> None:
    """Log to standard error; libraries that would log whole requests are kept quiet."""
    logging.basicConfig(level=level, format=LOG_FORMAT, stream=sys.stderr, force=True)
    for noisy in ("httpx", "httpcore", "uvicorn.access", "alembic", "apscheduler", "slack_bolt", "slack_sdk", "dbos"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
