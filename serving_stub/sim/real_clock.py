"""Clocks that a real engine is measured by: the wall's, and one that only this process's own work moves."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since its start, and a way to let idle time pass."""

    def now(self) -> float: ...

    def advance_to(self, at_s: float) -> None: ...


class WallClock:
    """Seconds that pass whatever anybody does; idle time is slept through."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def now(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._began

    def advance_to(self, at_s: float) -> None:
        """Sleep until *at_s*, if that lies ahead."""
        time.sleep(max(0.0, at_s - self.now()))


class ProcessorClock:
    """Seconds that this process has computed; idle time is skipped.

    With one computing thread it shows what an engine takes on a core of its own, whoever else is on the machine. With
    more threads it counts each, so it is for one.
    """

    def __init__(self) -> None:
        self._began = time.process_time()

    def now(self) -> float:
        """Seconds since the start, skipped ones included."""
        return time.process_time() - self._began

    def advance_to(self, at_s: float) -> None:
        """Go on to *at_s*, if that lies ahead."""
        self._began -= max(0.0, at_s - self.now())
