"""A clock for samples: the machine's, except that it never runs backwards.

When the machine's clock steps back, samples would be older than those already held and be ignored, and the bot would
be blind without saying so. Then this one goes on at the pace of the monotonic clock until the other has caught up.
When it is set forward this one follows, and tells by how much before it says the new time, so that what measures
durations with it can leave that out.
"""

from __future__ import annotations

from collections.abc import Callable

from opsbot.clock import Clock

STEP_S = 1.0
"""Slewing never moves a clock so far between two looks."""


class SteadyClock:
    """Seconds since the epoch that only grow.

    Args:
        on_step: told by how many seconds the machine's clock was set forward.
    """

    def __init__(self, clock: Clock, on_step: Callable[[float], None] = lambda seconds: None) -> None:
        self._clock = clock
        self._last = clock.now()
        self._last_monotonic = clock.monotonic()
        self._on_step = on_step

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        monotonic = self._clock.monotonic()
        going_on = self._last + (monotonic - self._last_monotonic)
        wall = self._clock.now()
        # Ordinary slewing moves the clock by less than this between two looks.
        self._last = wall if wall > going_on - 0.1 and wall >= self._last else going_on
        self._last_monotonic = monotonic
        if self._last - going_on > STEP_S:
            self._on_step(self._last - going_on)
        return self._last

    def monotonic(self) -> float:
        """The machine's monotonic clock."""
        return self._clock.monotonic()
