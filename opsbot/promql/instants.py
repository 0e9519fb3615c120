"""The instants of a subquery: multiples of its step since the epoch, as in Prometheus."""

from __future__ import annotations

DEFAULT_STEP_S = 1.0
"""Of `[5m:]`. Prometheus takes its evaluation interval, and watch evaluates every second."""


def num_steps(range_s: float, step_s: float) -> int:
    """The most instants that a subquery can have."""
    return int(round(range_s * 1000) // round(step_s * 1000)) + 1


def instants(start_s: float, end_s: float, step_s: float) -> list[float]:
    """The multiples of the step from start to end, both included."""
    start, end, step = round(start_s * 1000), round(end_s * 1000), round(step_s * 1000)
    return [at / 1000 for at in range(-(-start // step) * step, end + 1, step)]
