"""How long watch takes for what it does every second, as histograms that live as long as the role."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram

from opsbot.process_metrics import ProcessMetrics

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)


class WatchTimings:
    """The histograms, and what every role says of its process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.process = ProcessMetrics("watch", self.registry)
        self.evaluation = Histogram(
            "opsbot_watch_evaluation_duration_seconds",
            "How long a round's evaluation of all rules took.",
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.scrape = Histogram(
            "opsbot_watch_scrape_seconds",
            "How long a scrape of a target took, failed ones too.",
            buckets=BUCKETS,
            registry=self.registry,
        )
