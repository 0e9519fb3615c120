"""The server's metrics: vLLM's names, labels and buckets, and ours with the prefix `serving_`.

The engine calls the observer on its own thread; gauges are read from the engine when somebody scrapes. The registry
belongs to one server, and the text is always Prometheus 0.0.4: in OpenMetrics the client library would write the
colon of `vllm:` as an underscore.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving_stub.engine.interface import EngineStats, FinishRecord, StepRecord
from serving_stub.roofline.roof import Bound, Device, arithmetic_intensity

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
WINDOW_S = 10.0
"""How far back the busy ratio and the arithmetic intensity look."""

LABELS = ("model_name", "engine")
ENGINE = "0"

# Buckets as vLLM 0.32 exposes them.
TTFT_BUCKETS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
TOKEN_BUCKETS = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0),
)
REQUEST_BUCKETS = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0),
    *(40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)
STEP_BUCKETS = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
PREEMPTION_BUCKETS = (1, 2, 3, 4, 5, 10, 20)
FINISH_REASONS = ("stop", "length", "abort", "error", "repetition")
OUR_REASONS = {"deadline": "abort", "crash": "error", "restart": "abort"}
"""What vLLM has no word for, by the nearest that it has."""
N_BUCKETS = (1, 2, 5, 10, 20)
INTENSITY_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Our own: from a lone decoding row to a full prefill on the fastest accelerator."""

PROMPT_SOURCES = ("local_compute", "local_cache_hit", "external_kv_transfer")
CACHE_TIERS = ("device", "host", "p2p", "disk", "external_unspecified")
BOUNDS: tuple[Bound, ...] = ("memory", "compute")


def count_buckets(largest: int) -> tuple[int, ...]:
    """1, 2, 5, 10 … up to *largest*, as vLLM derives them from its window."""
    return tuple(
        step * 10**power for power in range(len(str(largest))) for step in (1, 2, 5) if step * 10**power <= largest
    )


@dataclass(frozen=True, slots=True)
class _Step:
    ended_at: float
    duration_s: float
    flops: float
    num_bytes: float


class ServingMetrics:
    """Everything `/metrics` shows; an `EngineObserver`.

    Args:
        model_name: the label of every `vllm:` series.
        max_model_len: bounds the token-count buckets.
        monotonic: seconds on a clock that never steps.
        of_process: whether the process is this server's alone, and its memory and processor time are shown.
    """

    def __init__(
        self,
        model_name: str,
        max_model_len: int,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        of_process: bool = True,
    ) -> None:
        self._registry = CollectorRegistry()
        self._values = (model_name, ENGINE)
        self._monotonic = monotonic
        self._steps: deque[_Step] = deque()
        self._steps_lock = Lock()
        counts = count_buckets(max_model_len)
        if of_process:
            ProcessCollector(registry=self._registry)

        self._preemptions = self._counter("vllm:num_preemptions", "Sequences preempted.")
        self._prefix_queries = self._counter("vllm:prefix_cache_queries", "Tokens looked up in the prefix cache.")
        self._prefix_hits = self._counter("vllm:prefix_cache_hits", "Tokens found in the prefix cache.")
        self._prompt_tokens = self._counter("vllm:prompt_tokens", "Prefill tokens processed, recomputed ones too.")
        self._prompt_by_source = self._labelled("vllm:prompt_tokens_by_source", "The same by source.", PROMPT_SOURCES)
        self._prompt_cached = self._counter("vllm:prompt_tokens_cached", "Prompt tokens found in a cache.")
        self._cached_by_source = self._labelled(
            "vllm:prompt_tokens_cached_by_source", "The same by the tier that had them.", CACHE_TIERS
        )
        self._generation_tokens = self._counter("vllm:generation_tokens", "Tokens generated.")
        self._flops = self._counter("vllm:estimated_flops_per_gpu", "Operations that steps did, counted from shapes.")
        self._bytes_read = self._counter("vllm:estimated_read_bytes_per_gpu", "Bytes that steps read.")
        self._bytes_written = self._counter("vllm:estimated_write_bytes_per_gpu", "Bytes that steps wrote.")
        self._recomputed = self._counter("serving_recomputed_tokens", "Tokens computed again after a preemption.")
        self._swapped = self._labelled(
            "serving_swapped_blocks", "KV blocks copied to host memory and back.", ("out", "in"), label="direction"
        )
        self._evicted = self._counter(
            "serving_evicted_prefix_tokens", "Prompt tokens computed again since their blocks had to make room."
        )
        self._late = self._counter("serving_deadline_exceeded", "Requests whose deadline passed without a token.")
        self._success = self._labelled(
            "vllm:request_success", "Finished requests.", FINISH_REASONS, label="finished_reason"
        )

        self._ttft = self._histogram("vllm:time_to_first_token_seconds", "Arrival to first token.", TTFT_BUCKETS)
        self._itl = self._histogram("vllm:inter_token_latency_seconds", "Gap between tokens.", TOKEN_BUCKETS)
        self._tpot = self._histogram(
            "vllm:request_time_per_output_token_seconds", "Mean gap of one request.", TOKEN_BUCKETS
        )
        self._e2e = self._histogram("vllm:e2e_request_latency_seconds", "Arrival to last token.", REQUEST_BUCKETS)
        self._queue = self._histogram("vllm:request_queue_time_seconds", "Time spent waiting.", REQUEST_BUCKETS)
        self._inference = self._histogram("vllm:request_inference_time_seconds", "Time in the batch.", REQUEST_BUCKETS)
        self._prefill = self._histogram("vllm:request_prefill_time_seconds", "Time in prefill.", REQUEST_BUCKETS)
        self._decode = self._histogram("vllm:request_decode_time_seconds", "Time in decode.", REQUEST_BUCKETS)
        self._step_tokens = self._histogram("vllm:iteration_tokens_total", "Tokens in a step.", STEP_BUCKETS)
        self._request_prompt = self._histogram("vllm:request_prompt_tokens", "Prompt tokens of a request.", counts)
        self._request_generated = self._histogram(
            "vllm:request_generation_tokens", "Generated tokens of a request.", counts
        )
        self._request_max = self._histogram("vllm:request_params_max_tokens", "max_tokens of a request.", counts)
        self._request_most = self._histogram(
            "vllm:request_max_num_generation_tokens", "Generated tokens of a request's longest answer.", counts
        )
        self._request_computed = self._histogram(
            "vllm:request_prefill_kv_computed_tokens", "Prompt tokens of a request that no cache spared.", counts
        )
        self._request_n = self._histogram("vllm:request_params_n", "Answers asked for by a request.", N_BUCKETS)
        self._step_intensity = self._histogram(
            "serving_step_intensity_ops_per_byte", "Operations per byte moved, of each step.", INTENSITY_BUCKETS
        )
        self._request_preemptions = self._histogram(
            "vllm:request_num_preemptions", "Times a request was preempted.", PREEMPTION_BUCKETS
        )

    # -- what the engine tells, on its thread

    def on_step(self, step: StepRecord) -> None:
        """Count one step."""
        num_bytes = step.bytes_read + step.bytes_written
        with self._steps_lock:
            self._steps.append(_Step(self._monotonic(), step.duration_s, step.flops, num_bytes))
            self._drop_old_steps()
        self._preemptions.inc(step.num_preempted)
        self._recomputed.inc(step.num_recomputed_tokens)
        self._swapped["out"].inc(step.num_swapped_out_blocks)
        self._swapped["in"].inc(step.num_swapped_in_blocks)
        self._prompt_tokens.inc(step.num_prefill_tokens)
        self._prompt_by_source["local_compute"].inc(step.num_prefill_tokens)
        self._flops.inc(step.flops)
        self._bytes_read.inc(step.bytes_read)
        self._bytes_written.inc(step.bytes_written)
        num_tokens = step.num_prefill_tokens + step.num_decode_tokens
        if num_tokens:
            self._step_tokens.observe(num_tokens)
            self._step_intensity.observe(arithmetic_intensity(step.flops, num_bytes))

    def on_prefix_lookup(self, num_queried_tokens: int, num_hit_tokens: int, num_evicted_tokens: int) -> None:
        """Count one lookup; found tokens count as processed prompt tokens, as in vLLM."""
        self._prefix_queries.inc(num_queried_tokens)
        self._prefix_hits.inc(num_hit_tokens)
        self._evicted.inc(num_evicted_tokens)
        self._prompt_tokens.inc(num_hit_tokens)
        self._prompt_by_source["local_cache_hit"].inc(num_hit_tokens)
        self._prompt_cached.inc(num_hit_tokens)
        self._cached_by_source["device"].inc(num_hit_tokens)

    def on_first_token(self, ttft_s: float, queue_time_s: float) -> None:
        """Count a request's first token; its queue time counts when it finishes."""
        self._ttft.observe(ttft_s)
        self._generation_tokens.inc()

    def on_token(self, inter_token_s: float) -> None:
        """Count a later token."""
        self._itl.observe(inter_token_s)
        self._generation_tokens.inc()

    def on_finished(self, record: FinishRecord) -> None:
        """Count a finished request."""
        self._success[OUR_REASONS.get(record.finish_reason, record.finish_reason)].inc()
        if record.finish_reason == "deadline":
            self._late.inc()
        self._e2e.observe(record.e2e_s)
        self._queue.observe(record.queue_s)
        self._inference.observe(record.prefill_s + record.decode_s)
        self._prefill.observe(record.prefill_s)
        self._decode.observe(record.decode_s)
        self._request_prompt.observe(record.num_prompt_tokens)
        self._request_generated.observe(record.num_generated_tokens)
        self._request_max.observe(record.max_tokens)
        self._request_most.observe(record.num_generated_tokens)
        self._request_computed.observe(record.num_prompt_tokens - record.num_cached_tokens)
        self._request_n.observe(1)
        self._request_preemptions.observe(record.num_preemptions)
        if record.num_generated_tokens > 1:
            self._tpot.observe(record.decode_s / (record.num_generated_tokens - 1))

    def count_failure(self) -> None:
        """A request that failed before the engine saw it: to its user, and so to who watches, it is an error."""
        self._success["error"].inc()

    def watch(
        self,
        stats: Callable[[], EngineStats],
        open_leases: Callable[[], Mapping[str, int]],
        cache_config: Mapping[str, str],
        device: Device,
    ) -> None:
        """Read the gauges from *stats* and *open_leases* (live leases by knob) at every scrape from now on."""
        self._registry.register(_Live(self, self._values, stats, open_leases, cache_config, device))

    def register(self, collector: Collector) -> None:
        """Show what somebody else counts, too."""
        self._registry.register(collector)

    def exposition(self) -> bytes:
        """The text of `/metrics`."""
        return generate_latest(self._registry)

    def busy_ratio(self) -> float:
        """The share of the last WINDOW_S in which the engine was stepping: what "utilization" naively shows."""
        now = self._monotonic()
        with self._steps_lock:
            self._drop_old_steps()
            busy_s = sum(min(step.duration_s, step.ended_at - now + WINDOW_S) for step in self._steps)
        return min(1.0, busy_s / WINDOW_S)

    def intensity(self) -> float:
        """Operations per byte over the steps of the last WINDOW_S; 0 when there was none."""
        with self._steps_lock:
            self._drop_old_steps()
            return arithmetic_intensity(
                sum(step.flops for step in self._steps), sum(step.num_bytes for step in self._steps)
            )

    def _drop_old_steps(self) -> None:
        oldest = self._monotonic() - WINDOW_S
        while self._steps and self._steps[0].ended_at <= oldest:
            self._steps.popleft()

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(name, text, LABELS, registry=self._registry).labels(*self._values)

    def _labelled(self, name: str, text: str, names: Iterable[str], *, label: str = "source") -> Mapping[str, Counter]:
        family = Counter(name, text, (*LABELS, label), registry=self._registry)
        return {one: family.labels(*self._values, one) for one in names}

    def _histogram(self, name: str, text: str, buckets: Iterable[float]) -> Histogram:
        return Histogram(name, text, LABELS, registry=self._registry, buckets=tuple(buckets)).labels(*self._values)


class _Live(Collector):
    """Gauges that come from one reading of the engine."""

    def __init__(
        self,
        metrics: ServingMetrics,
        values: tuple[str, str],
        stats: Callable[[], EngineStats],
        open_leases: Callable[[], Mapping[str, int]],
        cache_config: Mapping[str, str],
        device: Device,
    ) -> None:
        self._device = device
        self._metrics = metrics
        self._values = values
        self._stats = stats
        self._open_leases = open_leases
        self._cache_config = cache_config

    def collect(self) -> Iterable[Metric]:
        stats = self._stats()
        yield self._gauge("vllm:num_requests_running", "Requests in the batch.", stats.num_running)
        yield self._gauge("vllm:num_requests_waiting", "Requests in the queue.", stats.num_waiting)
        yield self._by(
            "vllm:num_requests_waiting_by_reason",
            "The same by reason; nothing is ever deferred here.",
            "reason",
            {"capacity": stats.num_waiting, "deferred": 0},
        )
        yield self._by(
            "vllm:engine_sleep_state",
            "Always awake.",
            "sleep_state",
            {"awake": 1, "weights_offloaded": 0, "discard_all": 0},
        )
        yield self._gauge("vllm:kv_cache_usage_perc", "Used share of the KV blocks, 0 to 1.", stats.kv_cache_usage)
        yield self._gauge("serving_batch_limit", "Batch limit in force.", stats.batch_limit)
        yield self._gauge("serving_token_budget", "Tokens of one step, in force.", stats.token_budget)
        yield self._gauge("serving_max_num_seqs", "Batch limit without any lease.", stats.max_num_seqs)
        yield self._gauge("serving_busy_ratio", "Share of the last 10 s spent in steps.", self._metrics.busy_ratio())
        intensity = self._metrics.intensity()
        yield self._gauge(
            "serving_arithmetic_intensity_ops_per_byte", "Operations per byte moved over the last 10 s.", intensity
        )
        yield self._gauge(
            "serving_ridge_point_ops_per_byte",
            "Intensity above which the device computes longer than it reads.",
            self._device.ridge_point,
        )
        yield self._gauge(
            "serving_device_peak_flops_per_second", "Operations a second at best.", self._device.flops_per_s
        )
        yield self._gauge(
            "serving_device_peak_bytes_per_second", "Bytes of its memory a second at best.", self._device.bytes_per_s
        )
        bound = self._device.bound(intensity) if intensity else None
        yield self._by(
            "serving_bound",
            "1 for what steps of the last 10 s waited for.",
            "bound",
            {one: float(one == bound) for one in BOUNDS},
        )
        yield self._by("serving_device_info", "The device that the roofline goes by.", "device", {self._device.name: 1})
        restarts = CounterMetricFamily(
            "serving_engine_restarts", "Times that a dead engine was started again.", labels=LABELS
        )
        restarts.add_metric(self._values, stats.num_restarts)
        yield restarts
        yield self._by("serving_open_leases", "Live leases by knob.", "knob", self._open_leases())
        info = GaugeMetricFamily(
            "vllm:cache_config_info", "The KV cache's settings as labels.", labels=(*LABELS, *self._cache_config)
        )
        info.add_metric((*self._values, *self._cache_config.values()), 1.0)
        yield info

    def _by(self, name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
        family = GaugeMetricFamily(name, text, labels=(*LABELS, label))
        for one, value in values.items():
            family.add_metric((*self._values, one), value)
        return family

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        family = GaugeMetricFamily(name, text, labels=LABELS)
        family.add_metric(self._values, value)
        return family
