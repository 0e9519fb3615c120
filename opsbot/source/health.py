"""How something that is asked again and again fares."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class SourceHealth:
    """How a source fares; times in seconds since the epoch. `failing_since` is None while it answers.

    Args:
        last_error: what was wrong last; of a source that answers, with which of the questions.
    """

    failing_since: float | None = None
    last_error: str = ""
    num_asked: int = 0
    num_failures: int = 0

    @property
    def word(self) -> str:
        """`unknown` before the first answer, `up`, or `down`."""
        if self.failing_since is not None:
            return "down"
        return "up" if self.num_asked else "unknown"

    def worked(self) -> bool:
        """It answered; says whether it had failed before."""
        was_failing = self.failing_since is not None
        self.failing_since, self.last_error = None, ""
        return was_failing

    def failed(self, why: str, now: float) -> bool:
        """It did not; says whether that is news, or the reason is another one."""
        is_news = self.failing_since is None or self.last_error != why
        self.num_failures += 1
        self.last_error = why
        if self.failing_since is None:
            self.failing_since = now
        return is_news
