"""How a lease that ramps comes to its end: in steps, with a pause after each, and only while the load allows.

So a protection never snaps open onto an engine that is still drowned.
"""

from __future__ import annotations

from dataclasses import dataclass

from serving_stub.engine.interface import EngineStats

LARGEST_KV_USAGE = 0.8
LARGEST_QUEUE_RATIO = 0.25
"""A step is taken while no more than so many requests wait for each place in the batch."""


@dataclass(frozen=True, slots=True)
class RampPlan:
    """Equal steps from full strength to none.

    Args:
        step_s: least time between two steps.
    """

    num_steps: int = 5
    step_s: float = 10.0

    def next(self, strength: float) -> float:
        """The strength after one more step; 0 is the end."""
        left = round(strength * self.num_steps) - 1
        return max(0.0, round(left / self.num_steps, 6))


def has_room(stats: EngineStats) -> bool:
    """Whether the engine could take more: it lives, its queue is short and its KV cache is not full."""
    return (
        stats.is_alive
        and stats.num_waiting <= LARGEST_QUEUE_RATIO * stats.batch_limit
        and stats.kv_cache_usage <= LARGEST_KV_USAGE
    )
