"""Quantiles of classic histograms: cumulative counts in buckets, one series for each upper bound.

Source: Prometheus 2.42, promql/quantile.go.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from opsbot.promql.labelset import NAME, LabelSet
from opsbot.promql.vector import Element, Vector

_LE = frozenset({NAME, "le"})


def histogram_quantile(q: float, vector: Vector) -> Vector:
    """The q-quantile of each histogram in *vector*; what has no number in `le` is no bucket."""
    groups: dict[LabelSet, list[tuple[float, float]]] = {}
    for labels, value in vector:
        bound = labels.upper_bound
        if bound is not None:
            groups.setdefault(labels.without(_LE), []).append((bound, value))
    return [Element(labels, bucket_quantile(q, buckets)) for labels, buckets in groups.items()]


def bucket_quantile(q: float, buckets: Sequence[tuple[float, float]]) -> float:
    """The q-quantile of a cumulative histogram of (upper bound, count), interpolated within its bucket."""
    if math.isnan(q):
        return math.nan
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    # Bounds may be written in two ways ("1", "1.0"); they are one bucket.
    merged: dict[float, float] = {}
    for bound, count in buckets:
        merged[bound] = merged.get(bound, 0.0) + count
    bounds = sorted(merged)
    if len(bounds) < 2 or bounds[-1] != math.inf:
        return math.nan
    # A scrape may cut a histogram in mid-update; counts are made monotone as Prometheus does.
    counts = list(itertools.accumulate((merged[bound] for bound in bounds), max))
    if counts[-1] == 0:
        return math.nan
    rank = q * counts[-1]
    last = len(bounds) - 1
    index = next((i for i, count in enumerate(counts[:last]) if count >= rank), last)
    if index == last:
        return bounds[last - 1]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    lower, below = (bounds[index - 1], counts[index - 1]) if index else (0.0, 0.0)
    share = counts[index] - below
    return lower + (bounds[index] - lower) * ((rank - below) / share) if share else math.nan
