"""Vitals in words: what each cell of a fleet's table says, wherever the table stands."""

from __future__ import annotations

from opsbot.capacity.text import percent, quantity
from opsbot.vitals.figure import FIGURES, Figure
from opsbot.vitals.reading import Trend, shown, trend_of
from opsbot.vitals.vitals import LeaseInForce, Vitals

NOT_KNOWN = "–"
"""In a table; elsewhere it is said in words."""
_BLIND_ORDER = {"blind": 0, "frozen": 1, "up": 2}


def batch_text(one: Vitals) -> str:
    """`31 of 32`; `31` where the limit is not known."""
    return _or_dash(FIGURES["running"], one)


def kv_text(one: Vitals) -> str:
    """`93%`."""
    return _or_dash(FIGURES["kv"], one)


def waiting_text(one: Vitals) -> str:
    """`14`."""
    return _or_dash(FIGURES["waiting"], one)


def ttft_text(one: Vitals) -> str:
    """`1.9 s`, or `mean 0.4 s` where no histogram is kept."""
    said = _or_dash(FIGURES["ttft"], one)
    return f"mean {said}" if one.ttft_is_mean else said


def tokens_text(one: Vitals) -> str:
    """`91.8k`, a minute."""
    return NOT_KNOWN if one.tokens_per_min is None else quantity(one.tokens_per_min)


def used_text(one: Vitals) -> str:
    """`37% KV`: share of capacity, and of what."""
    return NOT_KNOWN if one.used_ratio is None else f"{percent(one.used_ratio)} {one.bound}"


def held_text(one: Vitals) -> str:
    """`memory`, `queue` …; for what cannot be believed, why."""
    return one.held_by or NOT_KNOWN if one.sight == "up" else sight_text(one)


def sight_text(one: Vitals) -> str:
    """`blind: 0 of 2 targets answer`, `frozen: old numbers`, `up`."""
    match one.sight:
        case "up":
            return "up"
        case "frozen":
            return "frozen: old numbers"
    if one.num_targets is None:
        return "blind: no samples"
    if one.num_up:
        return "blind: no engine metrics"
    return f"blind: {one.num_up or 0} of {one.num_targets} targets answer"


def lease_text(lease: LeaseInForce, now: float) -> str:
    """One lease, and how long it lasts unless it is renewed."""
    left_s = max(0.0, lease.until - now)
    left = f"{left_s / 60:.0f} min" if left_s >= 90 else f"{left_s:.0f} s"
    ends = {"ramping": "ramping back", "holding": "holding until healthy"}.get(lease.state, f"{left} left")
    return f"{lease.knob} {lease.value} by {lease.owner}, {ends}"


def _or_dash(figure: Figure, one: Vitals) -> str:
    value = getattr(one, figure.attribute)
    limit = getattr(one, figure.limit) if figure.limit else None
    return NOT_KNOWN if value is None else shown(figure, value, limit)


def kv_trend(one: Vitals, before: Vitals | None) -> Trend | None:
    """Where the KV cache goes, for an arrow beside it."""
    return trend_of(FIGURES["kv"], one.kv_ratio, before.kv_ratio if before is not None else None)


def worst_first(clusters: list[Vitals]) -> list[Vitals]:
    """What needs eyes first: what cannot be seen, then the fullest, then the longest queue."""
    return sorted(
        clusters,
        key=lambda one: (
            _BLIND_ORDER[one.sight], -max(one.used_ratio or 0.0, one.kv_ratio or 0.0), -(one.waiting or 0), one.cluster,
        ),
    )  # fmt: skip
