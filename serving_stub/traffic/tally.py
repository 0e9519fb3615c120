"""What a traffic run counts: of all users, and of those who share a class, a country or a label."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from serving_stub.traffic.ask import Ask
from serving_stub.traffic.histogram import Histogram
from serving_stub.traffic.report import Line, Part, Percentiles, Summary, percentile

WINDOW_S = 10.0
"""How far back the TTFT percentiles of a line look."""

GAPS_WITHIN = 0.95
"""Share of an answer's gaps that have to be within the limit."""

MOST_CODES = 30
"""Of refusals; a server that invents more is not believed."""


@dataclass(frozen=True, slots=True)
class Slo:
    """What a request must keep to count as good."""

    ttft_s: float = 1.0
    itl_s: float = 0.2


@dataclass(slots=True)
class Timing:
    """How one user's answer came in; times are seconds, gaps lie between its pieces."""

    ttft_s: float | None = None
    gaps_s: list[float] = field(default_factory=list)
    tokens: int = 0

    def meets(self, slo: Slo) -> bool:
        """Whether the answer was good enough."""
        within = sum(gap <= slo.itl_s for gap in self.gaps_s)
        return (
            self.ttft_s is not None
            and self.ttft_s <= slo.ttft_s
            and within >= math.floor(GAPS_WITHIN * len(self.gaps_s))
        )


@dataclass(slots=True)
class Group:
    """Counts of the users who have something in common."""

    sent: int = 0
    done: int = 0
    failed: int = 0
    attempts: int = 0
    tokens: int = 0
    met_slo: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    ttfts: list[float] = field(default_factory=list)
    e2es: list[float] = field(default_factory=list)
    itl: Histogram = field(default_factory=Histogram)

    def part(self, over_s: float) -> Part:
        """As the summary says it."""
        return Part.model_validate(self.fields(over_s))

    def fields(self, over_s: float) -> dict[str, object]:
        """The fields of a Part."""
        return {
            "sent": self.sent,
            "done": self.done,
            "failed": self.failed,
            "attempts": self.attempts,
            "tokens": self.tokens,
            "ttft": _percentiles(lambda share: percentile(self.ttfts, share)),
            "itl": _percentiles(self.itl.percentile),
            "e2e": _percentiles(lambda share: percentile(self.e2es, share)),
            "met_slo": self.met_slo,
            "goodput": round(self.met_slo / max(1e-9, over_s), 4),
            "errors": dict(self.errors),
            "refused": dict(self.refused),
        }


@dataclass(slots=True)
class Tally:
    """Counts of one run; times are seconds since its start.

    Args:
        unlabelled: label of the arrivals that have none of their own, where others have.
    """

    slo: Slo = field(default_factory=Slo)
    unlabelled: str | None = None
    cancelled: int = 0
    skipped: int = 0
    sign_ups: int = 0
    sign_ups_failed: int = 0
    late: Histogram = field(default_factory=Histogram)
    all: Group = field(default_factory=Group)
    by: dict[str, dict[str, Group]] = field(default_factory=dict)
    _recent: deque[tuple[float, float]] = field(default_factory=deque)
    _tokens_before: int = 0
    _line_before_s: float = 0.0

    @property
    def outstanding(self) -> int:
        return self.all.sent - self.all.done - self.all.failed - self.cancelled

    def send(self, ask: Ask) -> None:
        """A user arrived."""
        for group in self._groups(ask):
            group.sent += 1

    def attempt(self, ask: Ask) -> None:
        """A request goes out, the user's first or another."""
        for group in self._groups(ask):
            group.attempts += 1

    def first_token(self, ask: Ask, now_s: float, ttft_s: float) -> None:
        """A user got a first token."""
        for group in self._groups(ask):
            group.ttfts.append(ttft_s)
        self._recent.append((now_s, ttft_s))

    def pieces(self, ask: Ask, tokens: int, gap_s: float | None = None) -> None:
        """A piece of an answer came, or the server's own count corrects the tokens."""
        for group in self._groups(ask):
            group.tokens += tokens
            if gap_s is not None:
                group.itl.add(gap_s)

    def refuse(self, ask: Ask, code: str) -> None:
        """An attempt was refused for a reason that the server names."""
        for group in self._groups(ask):
            known = code if code in group.refused or len(group.refused) < MOST_CODES else "other"
            group.refused[known] = group.refused.get(known, 0) + 1

    def fail(self, ask: Ask, reason: str) -> None:
        """A user got no answer, for one of a few reasons."""
        for group in self._groups(ask):
            group.failed += 1
            group.errors[reason] = group.errors.get(reason, 0) + 1

    def finish(self, ask: Ask, timing: Timing, e2e_s: float) -> None:
        """A user has the whole answer."""
        for group in self._groups(ask):
            group.done += 1
            group.e2es.append(e2e_s)
            group.met_slo += timing.meets(self.slo)

    def line(self, now_s: float) -> Line:
        """What to print now."""
        while self._recent and self._recent[0][0] <= now_s - WINDOW_S:
            self._recent.popleft()
        recent = [ttft_s for _, ttft_s in self._recent]
        tokens_per_s = (self.all.tokens - self._tokens_before) / max(1e-9, now_s - self._line_before_s)
        self._tokens_before, self._line_before_s = self.all.tokens, now_s
        return Line(
            t=round(now_s, 2),
            sent=self.all.sent,
            done=self.all.done,
            failed=self.all.failed,
            outstanding=self.outstanding,
            skipped=self.skipped,
            ttft_p50=percentile(recent, 0.5),
            ttft_p95=percentile(recent, 0.95),
            tokens_per_s=round(tokens_per_s, 1),
        )

    def summary(self, now_s: float, scenario: str, seed: int, rate: float) -> Summary:
        """What to print at the end."""
        return Summary.model_validate(
            {
                **self.all.fields(now_s),
                "scenario": scenario,
                "seed": seed,
                "rate": rate,
                "t": round(now_s, 2),
                "cancelled": self.cancelled,
                "skipped": self.skipped,
                "ttft_p50": percentile(self.all.ttfts, 0.5),
                "ttft_p95": percentile(self.all.ttfts, 0.95),
                "tokens_per_s": round(self.all.tokens / max(1e-9, now_s), 1),
                "slo_ttft_s": self.slo.ttft_s,
                "slo_itl_s": self.slo.itl_s,
                "late": _percentiles(self.late.percentile),
                "sign_ups": self.sign_ups,
                "sign_ups_failed": self.sign_ups_failed,
                "by": {
                    kind: {name: group.part(now_s) for name, group in sorted(groups.items())}
                    for kind, groups in self.by.items()
                    if len(groups) > 1
                },
            }
        )

    def _groups(self, ask: Ask) -> list[Group]:
        who = ask.persona
        named = {"label": ask.label or self.unlabelled}
        if who is not None:
            named |= {"country": who.country, "class": who.service_class}
        found = [self.all]
        for kind, name in named.items():
            if name is not None:
                found.append(self.by.setdefault(kind, {}).setdefault(name, Group()))
        return found


def _percentiles(of: Callable[[float], float | None]) -> Percentiles:
    return Percentiles(p50=of(0.5), p90=of(0.9), p95=of(0.95), p99=of(0.99))
