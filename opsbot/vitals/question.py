"""What a whole fleet's vitals are asked with: five PromQL queries, however many clusters there are.

Each joins several questions whose answers carry the label `figure`. One that finds nothing leaves the others as they
are, so what a plain vLLM does not say is simply absent.
"""

from __future__ import annotations

from collections.abc import Mapping

from opsbot.capacity.gather import CACHES, DEVICES, PEAK_BYTES, PEAK_FLOPS, QUERIES
from opsbot.vitals.figure import FIGURES, WINDOW, either

LABEL = "figure"
WORK = "work_"
"""What the names of capacity's questions begin with; their answers are by engine."""

_TTFT = "vllm:time_to_first_token_seconds"
_STANDS_STILL = (
    'changes(process_cpu_seconds_total{job="serving"}[2m]) == 0'
    ' and count_over_time(process_cpu_seconds_total{job="serving"}[2m]) > 10'
)
_OTHERS: Mapping[str, str] = {
    "limit": "sum by (cluster) (serving_batch_limit) or sum by (cluster) (serving_max_num_seqs)",
    "engines": either("count by (cluster) (vllm:num_requests_running)"),
    "models": either("group by (cluster, model_name) (vllm:num_requests_running)"),
    "open_leases": "sum by (cluster) (serving_open_leases)",
    "compute": 'max by (cluster) (serving_bound{bound="compute"})',
    "ttft_mean": either(
        f"sum by (cluster) (rate({_TTFT}_sum[{WINDOW}])) / (sum by (cluster) (rate({_TTFT}_count[{WINDOW}])) > 0)"
    ),
    "targets": 'count by (cluster) (up{job="serving"})',
    "up": 'sum by (cluster) (up{job="serving"})',
    # As the rule MetricsFrozen: a process that answers uses processor time.
    "frozen": f"count by (cluster) ({_STANDS_STILL})",
}
_WORK: Mapping[str, str] = {
    **{f"{WORK}{name}": text.format(window=WINDOW) for name, text in QUERIES.items()},
    f"{WORK}devices": DEVICES,
    f"{WORK}peak_flops": PEAK_FLOPS,
    f"{WORK}peak_bytes": PEAK_BYTES,
    f"{WORK}caches": CACHES,
}


def labelled(texts: Mapping[str, str]) -> str:
    """Several queries as one, each element with its query's name."""
    return " or ".join(f'label_replace({text}, "{LABEL}", "{name}", "", "")' for name, text in texts.items())


def _joined(*names: str) -> str:
    return labelled({name: either(FIGURES[name].expr) if name in FIGURES else _OTHERS[name] for name in names})


LOAD = "load"
QUESTIONS: Mapping[str, str] = {
    LOAD: _joined("kv", "waiting", "running", "limit", "engines", "models", "tokens", "requests", "preemptions"),
    "latency": _joined("ttft", "ttft_mean", "itl", "queue"),
    "outcome": _joined("failed", "aborted", "turned_away", "prefix_hits"),
    "sight and leases": _joined("targets", "up", "frozen", "open_leases", "compute"),
    "share of capacity": labelled(_WORK),
}
"""By what is missing when there is no answer."""
PAST = (LOAD, "latency", "outcome")
"""Those that are asked of a moment before, to tell where figures go."""
