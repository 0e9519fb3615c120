"""Which samples a coarser history keeps: of each step the last one, and both sides of what a counter must not lose.

What is kept is a part of what was scraped, each sample with its own time, so that every function means over it what it
means in a Prometheus that scrapes less often. A rate needs more: where a counter fell, came or went within a step, the
scrapes before and after are kept too. So between two kept scrapes a counter only rose, and its increase over the kept
ones is the one over all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from opsbot.promql.sheet import Values, is_stale

MAX_EXTRA = 4
"""Scrapes beyond the last one that a step keeps: two falls of counters. One that is named like a counter and falls all
the time must not undo the thinning."""
COUNTER_SUFFIXES = ("_total", "_count", "_sum", "_bucket")


def is_counter(name: str) -> bool:
    """Whether a metric is a counter, by the name that Prometheus's conventions give those."""
    return name.endswith(COUNTER_SUFFIXES)


def kept(
    times: Sequence[float] | NDArray[np.float64], values: Values, counters: NDArray[np.bool_], step_s: float
) -> NDArray[np.intp]:
    """Which columns of *values* [series, times] are kept.

    The first column decides over the second as any other does; pass the last one that was kept before, and leave it
    out of the answer.

    Args:
        counters: which series are counters.
        step_s: whole seconds.
    """
    steps = _steps(times, step_s)
    # The last one of all ends its step so far.
    is_kept = np.append(steps[1:] != steps[:-1], True)
    moved = _moved(values[counters])
    beside = np.zeros(len(steps), np.bool_)
    beside[1:] |= moved
    beside[:-1] |= moved
    extra = np.flatnonzero(beside & ~is_kept)
    if len(extra):
        # Among those of one step, count from the first.
        rank = np.arange(len(extra)) - np.searchsorted(steps[extra], steps[extra])
        is_kept[extra[rank < MAX_EXTRA]] = True
    return np.flatnonzero(is_kept)


def _steps(times: Sequence[float] | NDArray[np.float64], step_s: float) -> NDArray[np.int64]:
    return np.round(np.asarray(times) * 1000).astype(np.int64) // round(step_s * 1000)


def _moved(values: Values) -> NDArray[np.bool_]:
    """Between which columns some counter fell, came or went."""
    gone = is_stale(values)
    with np.errstate(invalid="ignore"):
        falls = values[:, 1:] < values[:, :-1]
    moved: NDArray[np.bool_] = (falls | (gone[:, 1:] != gone[:, :-1])).any(axis=0)
    return moved
