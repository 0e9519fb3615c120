"""What core counts of its pages: what becomes of them, and what is late."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class PageMetrics:
    """The metrics of paging; all are there, and zero, where nothing is set up to page."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "opsbot_pages_total", "Events for the pager by what became of them.", ["outcome"], registry=registry
        )
        for outcome in ("delivered", "retry", "failed"):
            self.attempts.labels(outcome)
        self.late = Gauge(
            "opsbot_pages_late", "Incidents that page and that the pager has not taken in time.", registry=registry
        )
        self.unheard = Gauge(
            "opsbot_incidents_unheard",
            "Open incidents that Slack has not taken in time and no page tells of.",
            registry=registry,
        )

    def count(self, outcome: str) -> None:
        """Count one event."""
        self.attempts.labels(outcome).inc()
