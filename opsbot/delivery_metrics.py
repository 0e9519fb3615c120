"""What core counts of its deliveries: an outbox that tells what becomes of its items, and the gauges about it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from opsbot.clock import Clock
from opsbot.store.backlog import backlog
from opsbot.store.database import Database
from opsbot.store.outbox import OutboxRepository


class DeliveryMetrics:
    """The metrics of the outbox and of who delivers it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.depth = Gauge("opsbot_outbox_depth", "Messages to post or to bring up to date.", registry=registry)
        self.oldest_age = Gauge(
            "opsbot_outbox_oldest_age_seconds", "How long the oldest of them has waited.", registry=registry
        )
        self.given_up = Gauge("opsbot_outbox_failed", "Messages that were given up.", registry=registry)
        self.items = Gauge(
            "opsbot_outbox_items", "Messages that wait, were begun, or were given up.", ["state"], registry=registry
        )
        self.attempts = Counter(
            "opsbot_deliveries_total", "Deliveries by what became of them.", ["outcome"], registry=registry
        )
        for outcome in ("delivered", "retry", "failed"):
            self.attempts.labels(outcome)
        self.last_at = Gauge(
            "opsbot_last_delivery_timestamp_seconds",
            "When a message was delivered last; 0 before the first.",
            registry=registry,
        )
        self.is_slack_connected = Gauge(
            "opsbot_slack_connected", "1 while presses and commands reach us.", registry=registry
        )

    def refresh(self, database: Database, now: float, *, is_slack_connected: bool) -> None:
        """Read what is stored; called in a thread."""
        waiting = backlog(database)
        self.depth.set(waiting.depth)
        self.oldest_age.set(0.0 if waiting.oldest_at is None else max(0.0, now - waiting.oldest_at))
        self.given_up.set(waiting.num_failed)
        for state, count in waiting.by_state.items():
            self.items.labels(state).set(count)
        self.is_slack_connected.set(is_slack_connected)


class CountedOutbox(OutboxRepository):
    """The outbox; each outcome is counted once it is recorded."""

    def __init__(self, database: Database, metrics: DeliveryMetrics, clock: Clock) -> None:
        super().__init__(database)
        self._metrics = metrics
        self._clock = clock

    def mark_delivered(self, key: str, revision: int, channel: str, ts: str) -> None:
        super().mark_delivered(key, revision, channel, ts)
        self._metrics.attempts.labels("delivered").inc()
        self._metrics.last_at.set(self._clock.now())

    def mark_retry(self, key: str, next_at: float, error: str, *, outcome_unknown: bool) -> None:
        super().mark_retry(key, next_at, error, outcome_unknown=outcome_unknown)
        self._metrics.attempts.labels("retry").inc()

    def mark_failed(self, key: str, error: str) -> None:
        super().mark_failed(key, error)
        self._metrics.attempts.labels("failed").inc()
