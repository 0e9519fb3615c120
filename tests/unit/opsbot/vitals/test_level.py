"""Where a rule draws its line on a figure's scale."""

from __future__ import annotations

import pytest

from opsbot.vitals.figure import FIGURES
from opsbot.vitals.level import level_in


@pytest.mark.parametrize(
    ("expr", "key", "level"),
    [
        ("vllm:kv_cache_usage_perc > 0.85 and rate(vllm:num_preemptions_total[10s]) > 0", "kv", 0.85),
        ("min_over_time(vllm:kv_cache_usage_perc[2m]) > 0.95", "kv", 0.95),
        ("0.9 < max by (cluster) (vllm:kv_cache_usage_perc)", "kv", 0.9),
        ("serving:requests_waiting > serving:requests_running and serving:requests_waiting > 5", "waiting", 5.0),
        ("serving:errors:ratio_rate2m > 0.05 and serving:finished:rate2m > 0.05", "failed", 0.05),
        ("serving:queue_time:p90_2m > 5", "queue", 5.0),
        ("up == 1 unless vllm:kv_cache_usage_perc > 0.5", "kv", None),
        ("1 - vllm:kv_cache_usage_perc < 0.1", "kv", None),
        ("deriv(vllm:kv_cache_usage_perc[5m]) > 0.01", "kv", None),
        ("rate(vllm:num_preemptions_total[1m]) > 3", "preemptions", None),
        ("vllm:kv_cache_usage_perc > bool 0.5", "kv", None),
        ("this is no query (", "kv", None),
        ("", "kv", None),
    ],
)
def test_a_level(expr: str, key: str, level: float | None) -> None:
    """Only a plain comparison of the figure itself is on its scale; anything computed is not."""
    assert level_in(expr, FIGURES[key]) == level
