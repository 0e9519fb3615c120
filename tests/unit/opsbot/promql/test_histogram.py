"""Quantiles of histograms at the edges; the rest is compared with Prometheus."""

from __future__ import annotations

import math

import pytest

from opsbot.promql.histogram import bucket_quantile


@pytest.mark.parametrize(
    ("q", "buckets", "expected"),
    [
        (0.5, [(1.0, 0.0), (2.0, 10.0), (math.inf, 10.0)], 1.5),
        (1.0, [(1.0, 5.0), (math.inf, 10.0)], 1.0),
        (0.5, [(-1.0, 10.0), (math.inf, 10.0)], -1.0),
        (-0.1, [(1.0, 5.0), (math.inf, 10.0)], -math.inf),
        (1.1, [(1.0, 5.0), (math.inf, 10.0)], math.inf),
        (0.5, [(1.0, 5.0)], math.nan),
        (0.5, [(math.inf, 5.0)], math.nan),
        (0.5, [(1.0, 0.0), (math.inf, 0.0)], math.nan),
        (0.0, [(1.0, 0.0), (2.0, 4.0), (math.inf, 4.0)], math.nan),
        (math.nan, [(1.0, 5.0), (math.inf, 10.0)], math.nan),
    ],
)
def test_histogram_quantiles_at_the_edges(q: float, buckets: list[tuple[float, float]], expected: float) -> None:
    """Empty, open and one-bucket histograms answer what Prometheus answers."""
    assert bucket_quantile(q, buckets) == pytest.approx(expected, nan_ok=True)


def test_the_same_bound_written_twice_is_one_bucket() -> None:
    """`le="1"` and `le="1.0"` of two replicas are added."""
    assert bucket_quantile(0.5, [(1.0, 2.0), (1.0, 2.0), (2.0, 8.0), (math.inf, 8.0)]) == 1.0


def test_a_torn_histogram_is_made_monotone() -> None:
    """A bucket that is behind its smaller neighbour counts as much as that one."""
    assert bucket_quantile(0.5, [(1.0, 6.0), (2.0, 5.0), (math.inf, 8.0)]) == pytest.approx(4 / 6)
