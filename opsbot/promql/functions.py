"""PromQL's functions, one row each, with Prometheus's own arithmetic.

Range functions take a window of (seconds, value) and its bounds and answer a number, or None for "no result".
Source: Prometheus 2.42, promql/functions.go.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Window = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """A range selector's start and end, seconds."""

    start_s: float
    end_s: float


RangeFunction = Callable[[Window, Bounds], float | None]


def _extrapolated(window: Window, bounds: Bounds, *, is_counter: bool, is_rate: bool) -> float | None:
    """increase, rate and delta: the change between the ends, stretched to the window's bounds.

    A gap at either end is bridged when it is at most 1.1 average intervals long, else half an interval is added; a
    counter is never stretched to below zero.
    """
    if len(window) < 2:
        return None
    (first_s, first), (last_s, last) = window[0], window[-1]
    change = last - first
    if is_counter:
        change += sum(before for (_, before), (_, after) in itertools.pairwise(window) if after < before)
    sampled_s = last_s - first_s
    average_s = sampled_s / (len(window) - 1)
    to_start_s, to_end_s = first_s - bounds.start_s, bounds.end_s - last_s
    if is_counter and change > 0 and first >= 0:
        to_start_s = min(to_start_s, sampled_s * (first / change))
    limit_s = average_s * 1.1
    stretched_s = sampled_s
    stretched_s += to_start_s if to_start_s < limit_s else average_s / 2
    stretched_s += to_end_s if to_end_s < limit_s else average_s / 2
    change *= stretched_s / sampled_s
    return change / (bounds.end_s - bounds.start_s) if is_rate else change


def _instant(window: Window, *, is_rate: bool) -> float | None:
    if len(window) < 2:
        return None
    (before_s, before), (last_s, last) = window[-2], window[-1]
    change = last if is_rate and last < before else last - before
    return change / (last_s - before_s) if is_rate else change


def _slope(window: Window) -> float | None:
    if len(window) < 2:
        return None
    origin = window[0][0]
    xs = [time_s - origin for time_s, _ in window]
    ys = [value for _, value in window]
    if all(y == ys[0] for y in ys):
        return 0.0 if math.isfinite(ys[0]) else math.nan
    n = len(window)
    covariance = sum(x * y for x, y in zip(xs, ys, strict=True)) - sum(xs) * sum(ys) / n
    variance = sum(x * x for x in xs) - sum(xs) ** 2 / n
    return covariance / variance


def quantile(q: float, values: Sequence[float]) -> float:
    """The q-quantile with linear interpolation between ranks."""
    if not values or math.isnan(q):
        return math.nan
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    ordered = sorted(values)
    rank = q * (len(ordered) - 1)
    low = max(0, math.floor(rank))
    high = min(len(ordered) - 1, low + 1)
    weight = rank - math.floor(rank)
    return ordered[low] * (1 - weight) + ordered[high] * weight


def stdvar(values: Sequence[float]) -> float:
    """Population variance."""
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


def _values(window: Window) -> list[float]:
    return [value for _, value in window]


def _over(compute: Callable[[list[float]], float]) -> RangeFunction:
    return lambda window, bounds: compute(_values(window)) if window else None


RANGE_FUNCTIONS: Mapping[str, RangeFunction] = {
    "rate": lambda w, b: _extrapolated(w, b, is_counter=True, is_rate=True),
    "increase": lambda w, b: _extrapolated(w, b, is_counter=True, is_rate=False),
    "delta": lambda w, b: _extrapolated(w, b, is_counter=False, is_rate=False),
    "irate": lambda w, b: _instant(w, is_rate=True),
    "idelta": lambda w, b: _instant(w, is_rate=False),
    "deriv": lambda w, b: _slope(w),
    "avg_over_time": _over(lambda v: sum(v) / len(v)),
    "min_over_time": _over(min),
    "max_over_time": _over(max),
    "sum_over_time": _over(sum),
    "count_over_time": _over(lambda v: float(len(v))),
    "last_over_time": _over(lambda v: v[-1]),
    "present_over_time": _over(lambda v: 1.0),
    "stddev_over_time": _over(lambda v: math.sqrt(stdvar(v))),
    "stdvar_over_time": _over(stdvar),
    "changes": _over(lambda v: float(sum(a != b for a, b in itertools.pairwise(v)))),
    "resets": _over(lambda v: float(sum(b < a for a, b in itertools.pairwise(v)))),
}

KEEPS_NAME = frozenset({"last_over_time"})


def _round(value: float, nearest: float = 1.0) -> float:
    # Prometheus rounds halves up, and divides by the inverse to avoid losing digits.
    inverse = 1.0 / nearest
    return math.floor(value * inverse + 0.5) / inverse if math.isfinite(value) else value


def _ln(value: float) -> float:
    if value > 0:
        return math.log(value)
    return -math.inf if value == 0 else math.nan


VALUE_FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "abs": abs,
    "ceil": lambda v: float(math.ceil(v)) if math.isfinite(v) else v,
    "floor": lambda v: float(math.floor(v)) if math.isfinite(v) else v,
    "exp": lambda v: math.exp(v) if v < 700 else math.inf,
    "ln": _ln,
    "sqrt": lambda v: math.sqrt(v) if v >= 0 else math.nan,
    "round": _round,
    "clamp": lambda v, low, high: max(low, min(high, v)),
    "clamp_min": lambda v, low: max(low, v),
    "clamp_max": lambda v, high: min(high, v),
}
"""Functions of one instant value and scalar parameters; they drop the metric name."""

OTHER_FUNCTIONS = frozenset(
    {
        "histogram_quantile",
        "quantile_over_time",
        "absent",
        "absent_over_time",
        "scalar",
        "vector",
        "time",
        "label_replace",
        "sort",
        "sort_desc",
    }
)
SUPPORTED_FUNCTIONS = frozenset(RANGE_FUNCTIONS) | frozenset(VALUE_FUNCTIONS) | OTHER_FUNCTIONS


def bucket_quantile(q: float, buckets: Sequence[tuple[float, float]]) -> float:
    """The q-quantile of a cumulative histogram of (upper bound, count), interpolated within its bucket."""
    ordered = sorted(buckets)
    if math.isnan(q) or not ordered or not math.isinf(ordered[-1][0]) or len(ordered) < 2:
        return math.nan
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    # A scrape may cut a histogram in mid-update; counts are made monotone as Prometheus does.
    counts: list[float] = []
    for _, count in ordered:
        counts.append(max(count, counts[-1]) if counts else count)
    total = counts[-1]
    if total == 0:
        return math.nan
    rank = q * total
    index = next(i for i, count in enumerate(counts) if count >= rank) if rank <= total else len(counts) - 1
    if index == len(ordered) - 1:
        return ordered[-2][0]
    upper = ordered[index][0]
    if index == 0 and upper <= 0:
        return upper
    lower = 0.0 if index == 0 else ordered[index - 1][0]
    below = 0.0 if index == 0 else counts[index - 1]
    return lower + (upper - lower) * ((rank - below) / (counts[index] - below))
