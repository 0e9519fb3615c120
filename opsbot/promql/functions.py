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


def between(start_s: float, end_s: float) -> float:
    """The seconds from one to the other, in whole milliseconds."""
    # Seconds since the epoch are exact to a quarter of a microsecond only; the times are whole milliseconds.
    return round(end_s - start_s, 3)


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
    sampled_s = between(first_s, last_s)
    average_s = sampled_s / (len(window) - 1)
    to_start_s, to_end_s = between(bounds.start_s, first_s), between(last_s, bounds.end_s)
    if is_counter and change > 0 and first >= 0:
        to_start_s = min(to_start_s, sampled_s * (first / change))
    limit_s = average_s * 1.1
    stretched_s = sampled_s
    stretched_s += to_start_s if to_start_s < limit_s else average_s / 2
    stretched_s += to_end_s if to_end_s < limit_s else average_s / 2
    change *= stretched_s / sampled_s
    return change / between(bounds.start_s, bounds.end_s) if is_rate else change


def _instant(window: Window, *, is_rate: bool) -> float | None:
    if len(window) < 2:
        return None
    (before_s, before), (last_s, last) = window[-2], window[-1]
    change = last if is_rate and last < before else last - before
    return change / between(before_s, last_s) if is_rate else change


def _line(window: Window, origin_s: float) -> tuple[float, float]:
    """The slope of a least-squares line, and its value at *origin_s*."""
    xs = [between(origin_s, time_s) for time_s, _ in window]
    ys = [value for _, value in window]
    if all(y == ys[0] for y in ys):
        return (0.0, ys[0]) if math.isfinite(ys[0]) else (math.nan, math.nan)
    if not all(math.isfinite(y) for y in ys):
        return math.nan, math.nan
    mean_x, mean_y = math.fsum(xs) / len(xs), total(ys) / len(ys)
    covariance = math.fsum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    slope = covariance / math.fsum((x - mean_x) ** 2 for x in xs)
    return slope, mean_y - slope * mean_x


def _slope(window: Window) -> float | None:
    return _line(window, window[0][0])[0] if len(window) > 1 else None


def predicted(window: Window, time_s: float, ahead_s: float) -> float | None:
    """predict_linear: where the line through the window is that long after *time_s*, the time of evaluation."""
    if len(window) < 2:
        return None
    slope, value = _line(window, time_s)
    return slope * ahead_s + value


def quantile(q: float, values: Sequence[float]) -> float:
    """The q-quantile with linear interpolation between ranks."""
    if not values or math.isnan(q):
        return math.nan
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    ordered = sorted(values, key=lambda value: (not math.isnan(value), value))
    rank = q * (len(ordered) - 1)
    low = max(0, math.floor(rank))
    high = min(len(ordered) - 1, low + 1)
    weight = rank - math.floor(rank)
    return ordered[low] * (1 - weight) + ordered[high] * weight


def stdvar(values: Sequence[float]) -> float:
    """Population variance."""
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


def mean(values: Sequence[float]) -> float:
    """The average; of numbers too large to be added as well."""
    whole = total(values)
    if math.isfinite(whole) or not all(map(math.isfinite, values)):
        return whole / len(values)
    return math.fsum(value / len(values) for value in values)


def total(values: Sequence[float]) -> float:
    """The sum, exact where that is possible, and IEEE's where infinities or NaN are in it."""
    if len(values) <= 2:
        return float(sum(values))
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return float(sum(values))


def least(values: Sequence[float]) -> float:
    """The minimum; NaN only if there is nothing else."""
    numbers = [value for value in values if not math.isnan(value)]
    return min(numbers) if numbers else math.nan


def greatest(values: Sequence[float]) -> float:
    """The maximum; NaN only if there is nothing else."""
    numbers = [value for value in values if not math.isnan(value)]
    return max(numbers) if numbers else math.nan


def _values(window: Window) -> list[float]:
    return [value for _, value in window]


def _over(compute: Callable[[list[float]], float]) -> RangeFunction:
    return lambda window, bounds: compute(_values(window)) if window else None


def _differ(a: float, b: float) -> bool:
    return a != b and not (math.isnan(a) and math.isnan(b))


RANGE_FUNCTIONS: Mapping[str, RangeFunction] = {
    "rate": lambda w, b: _extrapolated(w, b, is_counter=True, is_rate=True),
    "increase": lambda w, b: _extrapolated(w, b, is_counter=True, is_rate=False),
    "delta": lambda w, b: _extrapolated(w, b, is_counter=False, is_rate=False),
    "irate": lambda w, b: _instant(w, is_rate=True),
    "idelta": lambda w, b: _instant(w, is_rate=False),
    "deriv": lambda w, b: _slope(w),
    "avg_over_time": _over(mean),
    "min_over_time": _over(least),
    "max_over_time": _over(greatest),
    "sum_over_time": _over(total),
    "count_over_time": _over(lambda v: float(len(v))),
    "last_over_time": _over(lambda v: v[-1]),
    "present_over_time": _over(lambda v: 1.0),
    "stddev_over_time": _over(lambda v: math.sqrt(stdvar(v))),
    "stdvar_over_time": _over(stdvar),
    "changes": _over(lambda v: float(sum(_differ(a, b) for a, b in itertools.pairwise(v)))),
    "resets": _over(lambda v: float(sum(b < a for a, b in itertools.pairwise(v)))),
}

KEEPS_NAME = frozenset({"last_over_time"})


def _round(value: float, nearest: float = 1.0) -> float:
    # Prometheus rounds halves up, and divides by the inverse to avoid losing digits.
    if nearest == 0:
        return math.nan
    inverse = 1.0 / nearest
    scaled = value * inverse + 0.5
    return math.floor(scaled) / inverse if math.isfinite(scaled) else value


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _at_least(value: float, low: float) -> float:
    # An infinity beats NaN, as in Go's math.Max.
    if math.isnan(value) or math.isnan(low):
        return math.inf if math.inf in (value, low) else math.nan
    return max(low, value)


def _at_most(value: float, high: float) -> float:
    if math.isnan(value) or math.isnan(high):
        return -math.inf if -math.inf in (value, high) else math.nan
    return min(high, value)


def _logarithm(compute: Callable[[float], float]) -> Callable[[float], float]:
    def logarithm(value: float) -> float:
        if value > 0:
            return compute(value)
        return -math.inf if value == 0 else math.nan

    return logarithm


VALUE_FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "abs": abs,
    "ceil": lambda v: float(math.ceil(v)) if math.isfinite(v) else v,
    "floor": lambda v: float(math.floor(v)) if math.isfinite(v) else v,
    "exp": _exp,
    "ln": _logarithm(math.log),
    "log2": _logarithm(math.log2),
    "log10": _logarithm(math.log10),
    "sgn": lambda v: math.copysign(1.0, v) if v > 0 or v < 0 else v,
    "sqrt": lambda v: math.sqrt(v) if v >= 0 else math.nan,
    "round": _round,
    "clamp": lambda v, low, high: _at_least(_at_most(v, high), low),
    "clamp_min": _at_least,
    "clamp_max": _at_most,
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
        "label_join",
        "label_replace",
        "predict_linear",
        "timestamp",
        "sort",
        "sort_desc",
    }
)
SUPPORTED_FUNCTIONS = frozenset(RANGE_FUNCTIONS) | frozenset(VALUE_FUNCTIONS) | OTHER_FUNCTIONS
