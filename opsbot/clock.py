"""Time as an argument: the domain is given a clock and never reads one itself.

Seconds everywhere; `now` is UTC since the epoch, `monotonic` only measures differences.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the domain may know of time."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never steps; only differences mean anything."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


def to_rfc3339(seconds: float) -> str:
    """`2026-01-31T12:00:00.250000Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def from_rfc3339(text: str) -> float:
    """Seconds since the epoch; raises ValueError."""
    return datetime.fromisoformat(text).timestamp()


def to_minute(at: float, now: float) -> str:
    """A moment as people read it in UTC, with its date unless that is today's: `14:07 UTC`."""
    moment, today = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(now, UTC).date()
    return moment.strftime("%H:%M UTC" if moment.date() == today else "%Y-%m-%d %H:%M UTC")
