"""A load test: how large, what it is expected to do, how it goes, and what came of it.

Opened when it is announced, and closed by whoever ran it, by a Stop, or by itself when nobody does.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

LoadTestState = Literal["open", "closed"]
REMARK_KIND = "load_test.under_way"
"""Of the timeline entry in incidents of its cluster."""
Closing = Literal["finished", "stopped", "failed", "forgotten"]


@dataclass(frozen=True, slots=True)
class Size:
    """How large it is.

    Args:
        tokens_per_request: prompt and answer together, at most; None where nobody said it.
    """

    requests_per_s: float
    tokens_per_request: float | None = None

    @property
    def tokens_per_min(self) -> float | None:
        """What it adds to a cluster, at most."""
        return None if self.tokens_per_request is None else 60 * self.requests_per_s * self.tokens_per_request


@dataclass(frozen=True, slots=True)
class Expected:
    """What capacity's arithmetic says, in tokens a minute; None where it is not known.

    Args:
        before: carried when it was announced.
        added: by the test, at most.
        capacity: what the cluster can.
        most_requests_per_s: of such requests that would fill it.
        words: of whoever asked for it; empty for none.
    """

    before: float | None = None
    added: float | None = None
    capacity: float | None = None
    most_requests_per_s: float | None = None
    words: str = ""

    @property
    def total(self) -> float | None:
        """Carried while it runs, at most."""
        return None if self.before is None or self.added is None else self.before + self.added

    @property
    def used_ratio(self) -> float | None:
        """The share of capacity then; more than 1 is more than it can."""
        return None if self.total is None or not self.capacity else self.total / self.capacity


@dataclass(frozen=True, slots=True)
class Counts:
    """What the load generator counts."""

    sent: int = 0
    ok: int = 0
    shed: int = 0
    failed: int = 0
    skipped: int = 0
    ttft_p50_s: float | None = None
    ttft_p95_s: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """The most that the cluster itself showed while the test was open; None where nothing was read."""

    tokens_per_min: float | None = None
    used_ratio: float | None = None
    ttft_s: float | None = None
    turned_away_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class LoadTest:
    """One load test.

    Args:
        request_id: tells it from any other, so that a repeat announces nothing more.
        by, via: who asked for it, and through which door.
        run_id: of the run that makes the load; None where it runs elsewhere.
        grace_s: so long after `ends_at` it is closed by itself.
        how, closed_by, closed_at, said: how it ended; `said` are the words of whoever closed it.
        file_id: of the chart, once it is there.
        is_drawn: whether its chart was drawn, or could not be.
    """

    number: int
    request_id: str
    cluster: str
    size: Size
    expected: Expected
    by: str
    via: str
    announced_at: float
    ends_at: float
    grace_s: float
    reason: str = ""
    run_id: str | None = None
    state: LoadTestState = "open"
    counts: Counts | None = None
    measured: Measured = field(default_factory=Measured)
    seen_at: float | None = None
    how: Closing | None = None
    closed_by: str | None = None
    closed_at: float | None = None
    said: str = ""
    file_id: str | None = None
    alt_text: str = ""
    is_drawn: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is still under way, as far as anybody said."""
        return self.state == "open"

    @property
    def file_name(self) -> str:
        """Of the chart's file: it is found again by it."""
        return f"opsbot-load-test-{self.number}.png"

    def body(self) -> dict[str, Any]:
        """What has no column of its own, as JSON."""
        whole = asdict(self)
        return {name: value for name, value in whole.items() if name not in COLUMNS}


COLUMNS = frozenset({"number", "request_id", "cluster", "run_id", "announced_at", "ends_at", "state", "file_id"})


def from_body(body: dict[str, Any], columns: dict[str, Any]) -> LoadTest:
    """The test that `body` was made of."""
    counts = body.get("counts")
    given = {
        **body,
        **columns,
        "size": Size(**body["size"]),
        "expected": Expected(**body["expected"]),
        "counts": None if counts is None else Counts(**counts),
        "measured": Measured(**body["measured"]),
    }
    return LoadTest(**given)


def greater(before: Measured, now: Measured) -> Measured:
    """The most of both."""

    def most(name: str) -> float | None:
        known = [value for value in (getattr(before, name), getattr(now, name)) if value is not None]
        return max(known) if known else None

    return Measured(most("tokens_per_min"), most("used_ratio"), most("ttft_s"), most("turned_away_ratio"))
