"""Whether the gateway's upstream could take more: what ramps ask before each step, told by the upstream's own metrics.

Looked at every second while any lease is in force. An upstream that has never shown vLLM's gauges cannot be asked, and
then the door's own queue alone decides; one that has and no longer answers has no room.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from serving_stub.api.upstream_metrics import UpstreamMetrics
from serving_stub.frontdoor.ramp import LARGEST_KV_USAGE, LARGEST_QUEUE_RATIO

LOOK_S = 1.0
_GAUGE = re.compile(
    rb"^(vllm:num_requests_waiting|vllm:num_requests_running|vllm:kv_cache_usage_perc)(?:\{[^\n]*\})? ([0-9.eE+-]+)",
    re.MULTILINE,
)


class UpstreamRoom:
    """Reads the scraped metrics of one upstream."""

    def __init__(self, metrics: UpstreamMetrics) -> None:
        self._metrics = metrics
        self._was_told = False

    async def run(self, is_asked: Callable[[], bool]) -> None:
        """Keep the metrics fresh while somebody may ask, until cancelled."""
        while True:
            if is_asked():
                await self._metrics.refresh()
                await self._metrics.is_healthy()
            await asyncio.sleep(LOOK_S)

    def has_room(self) -> bool:
        """Whether few wait there for their turn and the KV cache is not full."""
        found: dict[bytes, list[float]] = {}
        for name, value in _GAUGE.findall(self._metrics.text):
            found.setdefault(name, []).append(float(value))
        if not found:
            return not self._was_told
        self._was_told = True
        if not self._metrics.is_up:
            return False
        waiting = sum(found.get(b"vllm:num_requests_waiting", ()))
        running = sum(found.get(b"vllm:num_requests_running", ()))
        return waiting <= max(1.0, LARGEST_QUEUE_RATIO * running) and (
            max(found.get(b"vllm:kv_cache_usage_perc", (0.0,))) <= LARGEST_KV_USAGE
        )

    def why_unhealthy(self) -> str | None:
        """Why a gateway that was taken out should stay out; None when its upstream was well at the last look."""
        return None if self._metrics.was_healthy else "the upstream's /health does not answer with success"
