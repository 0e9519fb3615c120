"""What every role's process says of itself: its build, whether it is ready, and how late its event loop is.

A loop that lags is the one cause behind late rounds, late answers and late pages; it is measured, not guessed.
"""

from __future__ import annotations

import asyncio
import platform
import time

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector, generate_latest

from opsbot import __version__

LOOK_EVERY_S = 0.25
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class ProcessMetrics:
    """The metrics that all roles have.

    Args:
        role: core, watch or events.
        registry: where they are registered; one of their own unless stated.
    """

    def __init__(self, role: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        ProcessCollector(registry=self.registry)
        build = Gauge(
            "opsbot_build_info", "Always 1; what runs here.", ["version", "python", "role"], registry=self.registry
        )
        build.labels(__version__, platform.python_version(), role).set(1)
        self._is_ready = Gauge("opsbot_ready", "1 while /readyz says that it is.", registry=self.registry)
        self._lag = Histogram(
            "opsbot_loop_lag_seconds",
            "How late the event loop ran what was due.",
            buckets=LAG_BUCKETS,
            registry=self.registry,
        )

    def note_ready(self, is_ready: bool) -> None:
        """Whether the role can do its work."""
        self._is_ready.set(is_ready)

    async def watch_loop(self) -> None:
        """Measure the loop four times a second, until cancelled."""
        while True:
            due = time.perf_counter() + LOOK_EVERY_S
            await asyncio.sleep(LOOK_EVERY_S)
            self._lag.observe(max(0.0, time.perf_counter() - due))

    def exposition(self) -> str:
        """Prometheus's text format 0.0.4."""
        return generate_latest(self.registry).decode()
