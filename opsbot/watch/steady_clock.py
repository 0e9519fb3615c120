"""A clock for samples: the machine's, except that it never runs backwards.

When the machine's clock steps back, samples would be older than those already held and be ignored, and the bot would
be blind without saying so. Then this one goes on at the pace of the monotonic clock until the other has caught up.
"""

from __future__ import annotations

from opsbot.clock import Clock


class SteadyClock:
    """Seconds since the epoch that only grow."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock.now()
        self._last_monotonic = clock.monotonic()

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        monotonic = self._clock.monotonic()
        going_on = self._last + (monotonic - self._last_monotonic)
        wall = self._clock.now()
        # Ordinary slewing moves the clock by less than this between two looks.
        self._last = wall if wall > going_on - 0.1 and wall >= self._last else going_on
        self._last_monotonic = monotonic
        return self._last

    def monotonic(self) -> float:
        """The machine's monotonic clock."""
        return self._clock.monotonic()
