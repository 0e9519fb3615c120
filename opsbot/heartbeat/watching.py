"""What must move for the loop to be whole: something may wait for a while, or stand still, only for so long.

Values and monotonic times in, one sentence or None out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opsbot.yamlfile import format_duration


@dataclass(slots=True)
class Backlog:
    """Notices what stays behind: a thing that waits and whose progress does not change for `patience_s`."""

    patience_s: float
    _since: dict[str, tuple[int, float]] = field(default_factory=dict)

    def oldest_s(self, behind: Mapping[str, int], now: float) -> float:
        """How long the oldest thing has waited without progress; *behind* is each one's progress, by key."""
        since = {}
        for key, progress in behind.items():
            known = self._since.get(key)
            since[key] = known if known is not None and known[0] == progress else (progress, now)
        self._since = since
        return max((now - at for _, at in since.values()), default=0.0)

    def problem(self, behind: Mapping[str, int], what: str, now: float) -> str | None:
        """Why that is too long, in one sentence."""
        oldest_s = self.oldest_s(behind, now)
        if oldest_s <= self.patience_s:
            return None
        return f"{what} for {format_duration(round(oldest_s))}"


@dataclass(slots=True)
class Progress:
    """Notices a counter that stands still; one that was never seen to move is not trusted yet."""

    stale_after_s: float
    _value: float | None = None
    _moved_at: float | None = None

    def problem(self, value: float, what: str, now: float) -> str | None:
        """Why it is not fresh, in one sentence."""
        if self._value is not None and value != self._value:
            self._moved_at = now
        self._value = value
        if self._moved_at is None:
            return f"{what} was not seen to move yet"
        if now - self._moved_at > self.stale_after_s:
            return f"{what} stands still for {format_duration(round(now - self._moved_at))}"
        return None
