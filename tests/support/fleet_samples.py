"""A fleet's samples as a scraper would have taken them, written out: the same for watch's store and for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from opsbot.promql.samples import SampleStore
from tests.support.watching import put

EVERY_S, KEPT_S = 10, 900
TTFT, ITL, QUEUE = (
    "vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds", "vllm:request_queue_time_seconds",
)  # fmt: skip

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class ClusterSamples:
    """One cluster: levels now and before, and growth a second, each the same for the whole time unless stated.

    Args:
        changes_s: so many seconds before the end, levels became what they are.
        levels_before: what they were until then.
        ttft_s: every first token came after so long; None for a cluster that gives none.
    """

    name: str
    levels: Mapping[str, float] = field(default_factory=dict)
    levels_before: Mapping[str, float] = field(default_factory=dict)
    growth: Mapping[str, float] = field(default_factory=dict)
    ttft_s: float | None = 0.4
    changes_s: float = 120.0
    is_up: bool = True
    has_histogram: bool = True
    model: str = "llama-3.1-8b"

    def series(self, now: float) -> Iterator[tuple[dict[str, str], Points]]:
        """Every series, its name among the labels, from KEPT_S before *now* to a minute after it."""
        times = [now - KEPT_S + passed for passed in range(0, KEPT_S + 60, EVERY_S)]
        target = {"cluster": self.name, "instance": f"{self.name}:8000", "job": "serving"}
        yield {"__name__": "up", **target}, [(at, float(self.is_up)) for at in times]
        if not self.is_up:
            return
        engine = {**target, "model_name": self.model, "engine": "0"}
        yield {"__name__": "process_cpu_seconds_total", **target}, [(at, 0.5 * (at - times[0])) for at in times]
        for name, level in self.levels.items():
            before = self.levels_before.get(name, level)
            yield (
                {"__name__": name, **engine},
                [(at, level if at > now - self.changes_s else before) for at in times],
            )
        for name, per_s in self.growth.items():
            yield from _counter(name, engine, times, _growing(per_s))
        if self.ttft_s is not None:
            yield from self._latency(TTFT, engine, times, self.ttft_s)

    def _latency(
        self, name: str, engine: Mapping[str, str], times: Sequence[float], seconds: float
    ) -> Iterator[tuple[dict[str, str], Points]]:
        """A request a second, each after *seconds*."""
        yield from _counter(f"{name}_count", engine, times, _growing(1.0))
        yield from _counter(f"{name}_sum", engine, times, _growing(seconds))
        if self.has_histogram:
            for bound in (0.1, 0.5, 1.0, 2.5, 5.0):
                labels = {**engine, "le": f"{bound}"}
                yield from _counter(f"{name}_bucket", labels, times, _growing(1.0 if seconds <= bound else 0.0))
            yield from _counter(f"{name}_bucket", {**engine, "le": "+Inf"}, times, _growing(1.0))


def _growing(per_s: float) -> Callable[[float], float]:
    return lambda passed: per_s * passed


def _counter(
    name: str, labels: Mapping[str, str], times: Sequence[float], value: Callable[[float], float]
) -> Iterator[tuple[dict[str, str], Points]]:
    # `outcome{finished_reason="error"}` is written as `outcome|finished_reason=error`.
    name, _, more = name.partition("|")
    added = dict([more.split("=", 1)]) if more else {}
    yield {"__name__": name, **labels, **added}, [(at, value(at - times[0])) for at in times]


BUSY = ClusterSamples(
    "eu-1",
    levels={
        "vllm:kv_cache_usage_perc": 0.93, "vllm:num_requests_running": 32, "vllm:num_requests_waiting": 14,
        "serving_batch_limit": 32, "serving_open_leases": 0,
    },
    levels_before={"vllm:kv_cache_usage_perc": 0.61, "vllm:num_requests_waiting": 1, "vllm:num_requests_running": 20},
    growth={
        "vllm:prompt_tokens_total": 900.0, "vllm:generation_tokens_total": 100.0, "vllm:num_preemptions_total": 0.5,
        "vllm:request_success_total|finished_reason=stop": 0.9,
        "vllm:request_success_total|finished_reason=error": 0.1,
        "frontdoor_requests_total": 2.0, "frontdoor_requests_shed_total": 0.5,
        "vllm:prefix_cache_queries_total": 100.0, "vllm:prefix_cache_hits_total": 25.0,
    },
    ttft_s=2.0,
)  # fmt: skip
"""A cluster of our own server that drowns."""
PLAIN = ClusterSamples(
    "us-1",
    levels={"vllm:kv_cache_usage_perc": 0.2, "vllm:num_requests_running": 8, "vllm:num_requests_waiting": 0},
    growth={
        "vllm:prompt_tokens_total": 50.0, "vllm:generation_tokens_total": 10.0, "vllm:num_preemptions_total": 0.0,
        "vllm:request_success_total|finished_reason=stop": 1.0,
    },
)  # fmt: skip
"""A plain vLLM with room."""
GONE = ClusterSamples("ap-1", is_up=False)
"""One whose target does not answer."""


def store_of(clusters: Sequence[ClusterSamples], now: float) -> SampleStore:
    """Watch's store, had it scraped them."""
    store = SampleStore(KEPT_S + 120)
    for cluster in clusters:
        for labels, points in cluster.series(now):
            name = labels["__name__"]
            put(store, name, {key: value for key, value in labels.items() if key != "__name__"}, *points)
    return store
