"""Core's own metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from opsbot.delivery_metrics import DeliveryMetrics
from opsbot.heartbeat.metrics import HeartbeatMetrics
from opsbot.page_metrics import PageMetrics
from opsbot.process_metrics import ProcessMetrics

DOOR_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


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
        self.door_seconds = Histogram(
            "opsbot_alert_door_duration_seconds",
            "How long a post of alerts took to be answered.",
            buckets=DOOR_BUCKETS,
            registry=self.registry,
        )
        self.delivery = DeliveryMetrics(self.registry)
        self.pages = PageMetrics(self.registry)
        self.process = ProcessMetrics("core", self.registry)
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
