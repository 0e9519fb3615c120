"""What a traffic run counts, and the lines it prints: one JSON object a second, then a summary."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel

WINDOW_S = 10.0
"""How far back the TTFT percentiles of a line look."""


class Line(BaseModel):
    """One second of a run; percentiles are null while nobody got a first token.

    `tokens_per_s` counts what arrived since the line before.
    """

    t: float
    sent: int
    done: int
    failed: int
    outstanding: int
    skipped: int
    ttft_p50: float | None
    ttft_p95: float | None
    tokens_per_s: float


class Summary(BaseModel):
    """A whole run; percentiles over all of it."""

    summary: Literal[True] = True
    scenario: str
    seed: int
    rate: float
    t: float
    sent: int
    done: int
    failed: int
    cancelled: int
    skipped: int
    tokens: int
    ttft_p50: float | None
    ttft_p95: float | None
    tokens_per_s: float
    errors: dict[str, int]


def percentile(values: list[float], share: float) -> float | None:
    """The smallest value that at least *share* of *values* do not exceed; None for no values."""
    if not values:
        return None
    ordered = sorted(values)
    rank = -(-share * len(ordered) // 1)  # rounded up
    return round(ordered[max(0, int(rank) - 1)], 4)


@dataclass(slots=True)
class Tally:
    """Counts of one run; times are seconds since its start."""

    sent: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0
    tokens: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    ttfts: list[float] = field(default_factory=list)
    _recent: deque[tuple[float, float]] = field(default_factory=deque)
    _tokens_before: int = 0
    _line_before_s: float = 0.0

    @property
    def outstanding(self) -> int:
        return self.sent - self.done - self.failed - self.cancelled

    def first_token(self, now_s: float, ttft_s: float) -> None:
        """A request got its first token."""
        self.ttfts.append(ttft_s)
        self._recent.append((now_s, ttft_s))

    def fail(self, reason: str) -> None:
        """A request failed, for one of a few reasons."""
        self.failed += 1
        self.errors[reason] = self.errors.get(reason, 0) + 1

    def line(self, now_s: float) -> Line:
        """What to print now."""
        while self._recent and self._recent[0][0] <= now_s - WINDOW_S:
            self._recent.popleft()
        recent = [ttft_s for _, ttft_s in self._recent]
        tokens_per_s = (self.tokens - self._tokens_before) / max(1e-9, now_s - self._line_before_s)
        self._tokens_before, self._line_before_s = self.tokens, now_s
        return Line(
            t=round(now_s, 2),
            sent=self.sent,
            done=self.done,
            failed=self.failed,
            outstanding=self.outstanding,
            skipped=self.skipped,
            ttft_p50=percentile(recent, 0.5),
            ttft_p95=percentile(recent, 0.95),
            tokens_per_s=round(tokens_per_s, 1),
        )

    def summary(self, now_s: float, scenario: str, seed: int, rate: float) -> Summary:
        """What to print at the end."""
        return Summary(
            scenario=scenario,
            seed=seed,
            rate=rate,
            t=round(now_s, 2),
            sent=self.sent,
            done=self.done,
            failed=self.failed,
            cancelled=self.cancelled,
            skipped=self.skipped,
            tokens=self.tokens,
            ttft_p50=percentile(self.ttfts, 0.5),
            ttft_p95=percentile(self.ttfts, 0.95),
            tokens_per_s=round(self.tokens / max(1e-9, now_s), 1),
            errors=self.errors,
        )
