"""Range functions over many series at once: the arithmetic of `functions.py`, on arrays.

A function that has no row here, and a series with a stale mark in its window, goes through `functions.py` sample by
sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from opsbot.promql.functions import RANGE_FUNCTIONS, Bounds, between, mean, total
from opsbot.promql.sheet import Values, Window, is_stale

MatrixFunction = Callable[[list[float], Values, Bounds], "Values | None"]
"""Of times and values [series, times], which are not empty; None if so few samples have no result."""


def over_windows(name: str, window: Window, bounds: Bounds) -> list[float | None]:
    """What the range function *name* yields for each series of *window*; None is no result."""
    compute = MATRIX_FUNCTIONS.get(name)
    marks = is_stale(window.values).any(axis=1)
    if compute is None or marks.all():
        return [_alone(name, window, bounds, row) for row in range(len(window.labels))]
    with np.errstate(all="ignore"):
        found = compute(window.times, window.values, bounds)
    results: list[float | None] = [None] * len(window.labels) if found is None else list(found.tolist())
    for row in np.flatnonzero(marks).tolist():
        results[row] = _alone(name, window, bounds, row)
    return results


def samples(window: Window, row: int) -> list[tuple[float, float]]:
    """The samples of one series, without stale marks."""
    values = window.values[row]
    marks = is_stale(values)
    pairs = zip(window.times, values.tolist(), strict=True)
    if not marks.any():
        return list(pairs)
    return [pair for pair, mark in zip(pairs, marks.tolist(), strict=True) if not mark]


def _alone(name: str, window: Window, bounds: Bounds, row: int) -> float | None:
    return RANGE_FUNCTIONS[name](samples(window, row), bounds)


def _extrapolated(
    times: list[float], values: Values, bounds: Bounds, *, is_counter: bool, is_rate: bool
) -> Values | None:
    """`functions.extrapolated`, for every series."""
    if len(times) < 2:
        return None
    first, last = values[:, 0], values[:, -1]
    change: Values = last - first
    if is_counter:
        before = values[:, :-1]
        falls = values[:, 1:] < before
        if falls.any():
            change = change + np.where(falls, before, 0.0).sum(axis=1)
    sampled_s = between(times[0], times[-1])
    average_s = sampled_s / (len(times) - 1)
    limit_s = average_s * 1.1
    to_start_s, to_end_s = between(bounds.start_s, times[0]), between(times[-1], bounds.end_s)
    at_end_s = to_end_s if to_end_s < limit_s else average_s / 2
    if is_counter:
        to_zero_s = np.where((change > 0) & (first >= 0), sampled_s * (first / change), np.inf)
        starts_s = np.fmin(to_start_s, to_zero_s)
        stretched_s = sampled_s + np.where(starts_s < limit_s, starts_s, average_s / 2) + at_end_s
        change = change * (stretched_s / sampled_s)
    else:
        at_start_s = to_start_s if to_start_s < limit_s else average_s / 2
        change = change * ((sampled_s + at_start_s + at_end_s) / sampled_s)
    return change / between(bounds.start_s, bounds.end_s) if is_rate else change


def _slope(times: list[float], values: Values, bounds: Bounds) -> Values | None:
    """`deriv`: least squares, from differences to the first value and the mean time."""
    if len(times) < 2:
        return None
    seconds = np.round(np.array(times) - times[0], 3)
    seconds -= seconds.mean()
    slope: Values = (values - values[:, :1]) @ seconds / (seconds @ seconds)
    return np.where(np.isfinite(values).all(axis=1), slope, np.nan)


def _sums(values: Values) -> Values:
    # Exact sums: an average of equal values must not be above them.
    return np.array([total(row) for row in values.tolist()])


MATRIX_FUNCTIONS: Mapping[str, MatrixFunction] = {
    "rate": lambda t, v, b: _extrapolated(t, v, b, is_counter=True, is_rate=True),
    "increase": lambda t, v, b: _extrapolated(t, v, b, is_counter=True, is_rate=False),
    "delta": lambda t, v, b: _extrapolated(t, v, b, is_counter=False, is_rate=False),
    "deriv": _slope,
    "avg_over_time": lambda t, v, b: np.array([mean(row) for row in v.tolist()]),
    "sum_over_time": lambda t, v, b: _sums(v),
    "min_over_time": lambda t, v, b: np.fmin.reduce(v, axis=1),
    "max_over_time": lambda t, v, b: np.fmax.reduce(v, axis=1),
    "count_over_time": lambda t, v, b: np.full(len(v), float(len(t))),
    "last_over_time": lambda t, v, b: v[:, -1],
    "present_over_time": lambda t, v, b: np.ones(len(v)),
}
