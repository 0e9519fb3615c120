"""A hundred alert rules over vLLM's metrics, such as a fleet's owner would write; for `bench/watch.py`.

What is asked for is of the kinds that published rule files have: rates, quantiles of histograms, ratios, trends,
absence. Which metrics, windows, quantiles and levels go together is drawn with a seed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

HISTOGRAMS = (
    "vllm:time_to_first_token_seconds",
    "vllm:inter_token_latency_seconds",
    "vllm:e2e_request_latency_seconds",
    "vllm:request_queue_time_seconds",
    "vllm:request_time_per_output_token_seconds",
    "vllm:request_prefill_time_seconds",
)
COUNTERS = (
    "vllm:generation_tokens_total",
    "vllm:prompt_tokens_total",
    "vllm:num_preemptions_total",
    "vllm:request_success_total",
    "vllm:prefix_cache_hits_total",
    "serving_recomputed_tokens_total",
)
GAUGES = (
    "vllm:kv_cache_usage_perc",
    "vllm:num_requests_waiting",
    "vllm:num_requests_running",
    "serving_busy_ratio",
)
WINDOWS = ("1m", "5m")


def _quantile(rng: random.Random) -> str:
    metric, window = rng.choice(HISTOGRAMS), rng.choice(WINDOWS)
    by = rng.choice(("cluster, le", "cluster, model_name, le"))
    q, level = rng.choice((0.5, 0.9, 0.95, 0.99)), rng.choice((0.5, 2, 5, 10))
    return f"histogram_quantile({q}, sum by ({by}) (rate({metric}_bucket[{window}]))) > {level}"


def _rate(rng: random.Random) -> str:
    return f"rate({rng.choice(COUNTERS)}[{rng.choice(WINDOWS)}]) > {rng.choice((1, 100, 1e6))}"


def _rate_by_cluster(rng: random.Random) -> str:
    return f"sum by (cluster) (rate({rng.choice(COUNTERS)}[{rng.choice(WINDOWS)}])) < {rng.choice((0, 1, 10))}"


def _gauge_by_cluster(rng: random.Random) -> str:
    return f"{rng.choice(('avg', 'max', 'sum'))} by (cluster) ({rng.choice(GAUGES)}) > {rng.choice((0.9, 8, 100))}"


def _over_time(rng: random.Random) -> str:
    function = rng.choice(("avg_over_time", "max_over_time", "min_over_time"))
    return f"{function}({rng.choice(GAUGES)}[{rng.choice(WINDOWS)}]) > {rng.choice((0.95, 20))}"


def _trend(rng: random.Random) -> str:
    metric, window = rng.choice(GAUGES), rng.choice(WINDOWS)
    return f"{metric} + 600 * deriv({metric}[{window}]) > {rng.choice((2, 200))}"


def _ratio(rng: random.Random) -> str:
    window = rng.choice(WINDOWS)
    over, under = rng.choice(
        (
            ("vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"),
            ("serving_recomputed_tokens_total", "vllm:prompt_tokens_total"),
            ("vllm:num_preemptions_total", "vllm:generation_tokens_total"),
        )
    )
    return f"rate({over}[{window}]) / rate({under}[{window}]) < {rng.choice((0.001, 0.05))}"


def _mean(rng: random.Random) -> str:
    metric, window = rng.choice(HISTOGRAMS), rng.choice(WINDOWS)
    return f"rate({metric}_sum[{window}]) / rate({metric}_count[{window}]) > {rng.choice((1, 5))}"


def _both(rng: random.Random) -> str:
    counter, window = rng.choice(COUNTERS), rng.choice(WINDOWS)
    level = rng.choice((0.85, 0.95))
    return f"vllm:kv_cache_usage_perc > {level} and on (cluster, model_name) rate({counter}[{window}]) > 0"


def _errors(rng: random.Random) -> str:
    failed = (
        f'sum by (cluster) (rate(vllm:request_success_total{{finished_reason=~"error|abort"}}[{rng.choice(WINDOWS)}]))'
    )
    return f"{failed} > {rng.choice((0.5, 1, 2))}"


def _absent(rng: random.Random) -> str:
    return f'absent({rng.choice(GAUGES)}{{cluster="cluster-{rng.randrange(24):02d}"}})'


KINDS: Mapping[str, tuple[int, Callable[[random.Random], str]]] = {
    "quantile of a histogram": (25, _quantile),
    "rate": (10, _rate),
    "rate by cluster": (10, _rate_by_cluster),
    "gauge by cluster": (10, _gauge_by_cluster),
    "gauge over time": (10, _over_time),
    "trend": (10, _trend),
    "ratio of two rates": (8, _ratio),
    "mean of a histogram": (5, _mean),
    "two conditions": (5, _both),
    "rate of failures": (4, _errors),
    "absence": (3, _absent),
}
"""How many of a hundred, and how one is drawn."""


def write_rules(path: Path, seed: int) -> int:
    """A rule file that the watch role and Prometheus read alike (JSON is YAML); answers how many rules it has."""
    rng = random.Random(seed)
    rules = []
    for kind, (count, draw) in KINDS.items():
        for number in range(count):
            rules.append(
                {
                    "alert": f"{kind.title().replace(' ', '')}{number}",
                    "expr": draw(rng),
                    "for": rng.choice(("0s", "0s", "30s", "2m")),
                    "labels": {"severity": rng.choice(("critical", "high", "medium"))},
                    "annotations": {"summary": f"{kind} of a cluster"},
                }
            )
    path.write_text(json.dumps({"groups": [{"name": "bench", "rules": rules}]}, indent=1), encoding="utf-8")
    return len(rules)


def kinds() -> str:
    """What there is how many of, in words."""
    return ", ".join(f"{count} {kind}" for kind, (count, _) in KINDS.items())
