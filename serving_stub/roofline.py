"""The roofline's one number that metrics need: how many operations a step did for each byte it moved.

Below a device's ridge point (peak operations a second over bytes a second) a step waits for memory, above it for
arithmetic.
"""

from __future__ import annotations


def arithmetic_intensity(flops: float, num_bytes: float) -> float:
    """Operations per byte; 0 when nothing moved.

    Source: Williams, Waterman, Patterson 2009, "Roofline: an insightful visual performance model".
    """
    return flops / num_bytes if num_bytes > 0 else 0.0
