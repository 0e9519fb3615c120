"""Time that passes only when it is told to."""

from __future__ import annotations


class VirtualClock:
    """Seconds since the simulation's start."""

    def __init__(self, now_s: float = 0.0) -> None:
        self._now_s = now_s

    def now(self) -> float:
        """Seconds since the start."""
        return self._now_s

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass; a negative number is our own mistake."""
        assert seconds >= 0, seconds
        self._now_s += seconds

    def advance_to(self, at_s: float) -> None:
        """Go on to *at_s*, if that lies ahead."""
        self._now_s = max(self._now_s, at_s)
