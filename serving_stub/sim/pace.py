"""Real time for simulated steps: each ends when it should, whatever the processor did meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

MOST_BEHIND_S = 1.0
"""Further behind, time is given up rather than caught up with."""


class RealTimePace:
    """Sleeps through steps. What computing a step's tokens took is part of the step, as on a GPU.

    Args:
        is_fresh: whether the step that is paced is the first after an idle time.
    """

    def __init__(
        self,
        is_fresh: Callable[[], bool],
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._is_fresh = is_fresh
        self._now = now
        self._sleep = sleep
        self._due = 0.0
        self.lost_s = 0.0

    def now(self) -> float:
        """Seconds, monotonic."""
        return self._now()

    def pass_time(self, seconds: float) -> None:
        """Return when a step of *seconds* is over that began when the last one ended, or now after an idle time."""
        now = self._now()
        self._due = (now if self._is_fresh() else self._due) + seconds
        left_s = self._due - now
        if left_s < -MOST_BEHIND_S:
            self.lost_s -= left_s
            self._due = now
        # Also behind: whoever else wants the processor, such as a control API, gets a turn between two steps.
        self._sleep(max(left_s, 0.0))
