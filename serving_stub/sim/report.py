"""What a run of a fleet came to, by cluster and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import quantiles

from serving_stub.fleet.spec import FleetSpec
from serving_stub.sim.outcome import Outcome
from serving_stub.sim.parts import FleetRun

WAYS = ("home", "spill", "no_home", "full")


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one cluster, or of all.

    Args:
        ttft_s: p50 and p95 of those that got a first token; None where fewer than two did.
        inter_token_s: p50 of the requests' means.
        peak_kv_usage, peak_waiting: as the router saw them.
        by_way: requests by why they came here.
        refused: by why they were not served.
    """

    name: str
    region: str
    gpu: str
    num_requests: int
    num_tokens: int
    tokens_per_s: float
    ttft_s: tuple[float, float] | None
    inter_token_s: float | None
    peak_kv_usage: float
    peak_waiting: int
    by_way: dict[str, int]
    refused: dict[str, int]


def summaries(spec: FleetSpec, run: FleetRun, duration_s: float) -> list[Summary]:
    """One for each cluster in the file's order, and the last for all; tokens a second are those of *duration_s*."""
    by_cluster: dict[str | None, list[Outcome]] = {}
    for outcome in run.outcomes:
        by_cluster.setdefault(outcome.cluster, []).append(outcome)
    rows = [
        _summary(
            (one.name, one.region, f"{one.sizes.num_gpus} × {one.sizes.gpu}"),
            by_cluster.get(one.name, []),
            duration_s,
            run.tallies[one.name].peak_kv_usage,
            run.tallies[one.name].peak_waiting,
        )
        for one in spec.clusters
    ]
    peak_kv = max(row.peak_kv_usage for row in rows)
    return [*rows, _summary(("all", "", ""), run.outcomes, duration_s, peak_kv, sum(row.peak_waiting for row in rows))]


def _summary(
    head: tuple[str, str, str],
    outcomes: Sequence[Outcome],
    duration_s: float,
    peak_kv_usage: float,
    peak_waiting: int,
) -> Summary:
    num_tokens = sum(one.num_tokens for one in outcomes)
    gaps = _percentiles(one.inter_token_s for one in outcomes)
    ways = Counter(one.way.value for one in outcomes if one.way is not None)
    return Summary(
        *head,
        num_requests=len(outcomes),
        num_tokens=num_tokens,
        tokens_per_s=num_tokens / duration_s,
        ttft_s=_percentiles(one.ttft_s for one in outcomes),
        inter_token_s=None if gaps is None else gaps[0],
        peak_kv_usage=peak_kv_usage,
        peak_waiting=peak_waiting,
        by_way={way: ways[way] for way in WAYS},
        refused=dict(Counter(one.refused for one in outcomes if one.refused is not None)),
    )


def _percentiles(values: Iterable[float | None]) -> tuple[float, float] | None:
    """p50 and p95."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    cuts = quantiles(known, n=100, method="inclusive")
    return cuts[49], cuts[94]
