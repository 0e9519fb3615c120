"""Percentiles of many times in little memory: counts in buckets that grow by two percent.

A percentile is the middle of its bucket, so within one percent of a value that occurred.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_GROWTH = math.log(1.02)
_SMALLEST_S = 1e-6


@dataclass(slots=True)
class Histogram:
    """Times in seconds; those under a microsecond count as one."""

    counts: dict[int, int] = field(default_factory=dict)
    total: int = 0

    def add(self, value_s: float) -> None:
        """Count one."""
        bucket = math.floor(math.log(max(value_s, _SMALLEST_S)) / _GROWTH)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.total += 1

    def percentile(self, share: float) -> float | None:
        """By nearest rank; None for no values."""
        rank = max(1, math.ceil(share * self.total))
        for bucket in sorted(self.counts):
            rank -= self.counts[bucket]
            if rank <= 0:
                return round(math.exp((bucket + 0.5) * _GROWTH), 6)
        return None
