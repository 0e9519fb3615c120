"""How often something has happened of late, with old times fading out exponentially."""

from __future__ import annotations

import math

FADE_S = 20.0
"""After this long a count weighs 1/e."""


class Rate:
    """Events a second.

    Args:
        fade_s: as FADE_S.
    """

    def __init__(self, now: float, fade_s: float = FADE_S) -> None:
        self._fade_s = fade_s
        self._count = 0.0
        self._span_s = 0.0
        self._at = now

    def count(self, now: float) -> None:
        """One has happened."""
        self._fade(now)
        self._count += 1

    def rate(self, now: float) -> float:
        """Over at least a second, so that the first few do not pass for a flood."""
        self._fade(now)
        return self._count / max(1.0, self._span_s)

    def faded_count(self, now: float) -> float:
        """How many, old ones counting less."""
        self._fade(now)
        return self._count

    def _fade(self, now: float) -> None:
        passed_s = now - self._at
        if passed_s <= 0:
            return
        self._at = now
        kept = math.exp(-passed_s / self._fade_s)
        self._count *= kept
        self._span_s = self._span_s * kept + self._fade_s * (1 - kept)


class ReleaseRate:
    """Releases a second while every place is taken: what the server can do, not what it was asked to.

    Time with free places does not count, so a quiet night leaves the last busy hour's rate in force.
    """

    KNOWN_S = 1.0
    KNOWN_RELEASES = 8.0
    SILENCE = 10.0

    def __init__(self, now: float) -> None:
        self._count = 0.0
        self._span_s = 0.0
        self._silent_s = 0.0
        self._at = now
        self._is_full = False

    def note(self, now: float, *, is_full: bool) -> None:
        """From *now* on places are all taken, or not."""
        self._pass(now)
        self._is_full = is_full

    def release(self, now: float) -> None:
        """A place was given back."""
        self._pass(now)
        if self._is_full:
            self._count += 1
            self._silent_s = 0.0

    def rate(self, now: float) -> float | None:
        """None while too little has been seen.

        A release more than seen is assumed, since the next may be close; a long silence speaks against the old rate.
        """
        self._pass(now)
        if self._span_s < self.KNOWN_S and self._count < self.KNOWN_RELEASES:
            return None
        rate = (self._count + 1) / max(self._span_s, 1e-3)
        return min(rate, self.SILENCE / self._silent_s) if self._silent_s else rate

    def _pass(self, now: float) -> None:
        passed_s = max(0.0, now - self._at)
        self._at = max(self._at, now)
        if self._is_full and passed_s:
            kept = math.exp(-passed_s / FADE_S)
            self._count *= kept
            self._span_s = self._span_s * kept + FADE_S * (1 - kept)
            self._silent_s += passed_s
