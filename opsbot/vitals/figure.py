"""The figures that incidents are told by: a table of what each is called, how it is asked for, and which way is bad.

Each is one expression by cluster, in vLLM's own names; `Vitals` has the same number under `attribute`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Unit = Literal["share", "count", "seconds", "per second", "per minute"]
WINDOW = "2m"
"""Of rates: Prometheus servers scrape every 15 to 60 s at most sites."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a cluster.

    Args:
        name: for people, as a sentence begins with it.
        attribute: of `Vitals`.
        expr: by cluster.
        high_is: whether more of it is bad, good, or neither.
        least: a smaller change is none.
        tight: the level from which it is bad by itself, where there is one.
        limit: attribute of `Vitals` with the most that it can be, where there is one.
        metrics: what rules call it: where one compares it with a number, that is a level of this figure.
    """

    key: str
    name: str
    attribute: str
    unit: Unit
    expr: str
    high_is: Literal["bad", "good", "neither"]
    least: float
    tight: float | None = None
    limit: str = ""
    metrics: tuple[str, ...] = ()


def _rate(metric: str) -> str:
    return f"sum by (cluster) (rate({metric}[{WINDOW}]))"


def _quantile(q: float, histogram: str) -> str:
    return f"histogram_quantile({q}, sum by (cluster, le) (rate({histogram}_bucket[{WINDOW}])))"


def _ended(reason: str) -> str:
    """A counter has a series from the first time on that it counts: none is no such request."""
    part, whole = (
        _rate(f'vllm:request_success_total{{finished_reason="{reason}"}}'),
        _rate("vllm:request_success_total"),
    )
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


_TABLE = (
    Figure("kv", "KV cache used", "kv_ratio", "share", "max by (cluster) (vllm:kv_cache_usage_perc)", "bad",
           least=0.03, tight=0.85, metrics=("vllm:kv_cache_usage_perc",)),
    Figure("waiting", "Waiting requests", "waiting", "count", "sum by (cluster) (vllm:num_requests_waiting)", "bad",
           least=2, metrics=("vllm:num_requests_waiting", "serving:requests_waiting")),
    Figure("running", "Running requests", "running", "count", "sum by (cluster) (vllm:num_requests_running)", "neither",
           least=2, limit="batch_limit", metrics=("vllm:num_requests_running", "serving:requests_running")),
    Figure("preemptions", "Preemptions", "preemptions_per_min", "per minute",
           f"60 * {_rate('vllm:num_preemptions_total')}", "bad", least=1),
    # 2.5 s is the objective of policies/alerts/series.yaml, and 0.2 s that of token gaps.
    Figure("ttft", "First token (95 of 100 within)", "ttft_s", "seconds",
           _quantile(0.95, "vllm:time_to_first_token_seconds"), "bad", least=0.1, tight=2.5),
    Figure("itl", "Token gap (95 of 100 within)", "itl_s", "seconds",
           _quantile(0.95, "vllm:inter_token_latency_seconds"), "bad", least=0.01, tight=0.2),
    Figure("queue", "Wait in the queue (90 of 100 within)", "queue_s", "seconds",
           _quantile(0.9, "vllm:request_queue_time_seconds"), "bad", least=0.2, metrics=("serving:queue_time:p90_2m",)),
    Figure("tokens", "Tokens", "tokens_per_min", "per minute",
           f"60 * ({_rate('vllm:prompt_tokens_total')} + {_rate('vllm:generation_tokens_total')})", "good", least=100),
    Figure("requests", "Requests", "requests_per_s", "per second",
           f"{_rate('frontdoor_requests_total')} or {_rate('vllm:time_to_first_token_seconds_count')}", "neither",
           least=0.2, metrics=("serving:arrivals:rate1m",)),
    Figure("failed", "Failed requests", "failed_ratio", "share", _ended("error"), "bad", least=0.01, tight=0.05,
           metrics=("serving:errors:ratio_rate2m",)),
    Figure("aborted", "Callers who gave up", "aborted_ratio", "share", _ended("abort"), "bad", least=0.02, tight=0.3,
           metrics=("serving:aborts:ratio_rate2m",)),
    Figure("turned_away", "Turned away", "turned_away_ratio", "share",
           f"({_rate('frontdoor_requests_shed_total')} or 0 * {_rate('frontdoor_requests_total')})"
           f" / ({_rate('frontdoor_requests_total')} > 0)", "bad",
           least=0.02, tight=0.1, metrics=("serving:turned_away:ratio_rate2m",)),
    Figure("prefix_hits", "Prompt tokens found in the prefix cache", "prefix_hit_ratio", "share",
           f"{_rate('vllm:prefix_cache_hits_total')} / ({_rate('vllm:prefix_cache_queries_total')} > 0)", "good",
           least=0.05, metrics=("serving:prefix_hits:ratio_rate2m",)),
)  # fmt: skip
FIGURES: Mapping[str, Figure] = {one.key: one for one in _TABLE}
"""By key."""

_SELECTOR = re.compile(r"((?:vllm|frontdoor)[:_]\w+)(\{[^}]*\})?")


def either(expr: str) -> str:
    """vLLM's names as it writes them, or with an underscore: some collectors allow no colon in a name."""
    return f"({expr}) or ({expr.replace('vllm:', 'vllm_')})" if "vllm:" in expr else expr


def of_cluster(figure: Figure, cluster: str) -> str:
    """The figure's expression, of one cluster."""
    matcher = f"cluster={json.dumps(cluster, ensure_ascii=False)}"

    def narrowed(found: re.Match[str]) -> str:
        before = f"{found[2][1:-1]}," if found[2] else ""
        return f"{found[1]}{{{before}{matcher}}}"

    return either(_SELECTOR.sub(narrowed, figure.expr))
