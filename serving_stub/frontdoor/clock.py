"""Time as an argument: leases are given a clock and never read one themselves.

`now` is UTC since the epoch in seconds. Inside one process it never steps, so an adjusted system clock can neither
cut a lease short nor stretch it; a restart takes the system's time again.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What leases may know of time."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        ...


class SteadyClock:
    """The system's time when this object was made, carried on by the clock that never steps."""

    def __init__(self) -> None:
        self._offset_s = time.time() - time.monotonic()

    def now(self) -> float:
        return self._offset_s + time.monotonic()
