"""The roofline model: a step takes as long as its bytes or its operations take, whichever is longer.

Below a device's ridge point a step waits for memory, above it for arithmetic.
Source: Williams, Waterman, Patterson 2009, "Roofline: an insightful visual performance model".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Bound = Literal["memory", "compute"]


@dataclass(frozen=True, slots=True)
class Device:
    """What one accelerator, or this processor, can do.

    Args:
        flops_per_s: dense operations a second in the number format that is served.
        bytes_per_s: of its memory.
        host_bytes_per_s: of the link to the host, one way; on a processor, of a copy within its memory.
        memory_bytes: None where the memory is not its own.
    """

    name: str
    flops_per_s: float
    bytes_per_s: float
    host_bytes_per_s: float
    memory_bytes: float | None

    @property
    def ridge_point(self) -> float:
        """Operations per byte at which memory and arithmetic take equally long."""
        return self.flops_per_s / self.bytes_per_s

    def bound(self, intensity: float) -> Bound:
        """What a step of *intensity* operations per byte waits for; at the ridge itself, arithmetic."""
        return "memory" if intensity < self.ridge_point else "compute"

    def step_s(self, flops: float, num_bytes: float) -> float:
        """Seconds that a step takes at best."""
        return max(flops / self.flops_per_s, num_bytes / self.bytes_per_s)


def arithmetic_intensity(flops: float, num_bytes: float) -> float:
    """Operations per byte; 0 when nothing moved."""
    return flops / num_bytes if num_bytes > 0 else 0.0
