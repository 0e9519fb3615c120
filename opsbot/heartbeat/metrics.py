"""What the heartbeat counts, in core's registry."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge


class HeartbeatMetrics:
    """Parts appear once they were asked."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._beats = Counter("opsbot_heartbeats_total", "Heartbeats that the outside URL took.", registry=registry)
        self._failures = Counter(
            "opsbot_heartbeat_failures_total", "Heartbeats that the outside URL did not take.", registry=registry
        )
        self._parts = Gauge(
            "opsbot_heartbeat_part_ok", "Whether a part of the loop works.", ["part"], registry=registry
        )

    def asked(self, parts: tuple[str, ...], problems: Mapping[str, str]) -> None:
        """Every part was asked."""
        for part in parts:
            self._parts.labels(part).set(part not in problems)

    def called(self, *, is_taken: bool) -> None:
        """The outside URL was called."""
        (self._beats if is_taken else self._failures).inc()
