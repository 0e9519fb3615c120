"""What a traffic run prints: one line a second, then a summary, both JSON objects when a program reads them."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, SerializeAsAny


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


class Percentiles(BaseModel):
    """Of one kind of time, in seconds; null where nothing was measured."""

    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None


class Part(BaseModel):
    """Requests of a run that have something in common; percentiles over all of them.

    Args:
        ttft: from a user's first attempt to the first token, whatever came between.
        itl: gaps between the pieces of an answer.
        e2e: from a user's first attempt to the end of the answer.
        met_slo: done, first token within the one limit and 95 of 100 gaps within the other.
        goodput: those, per second.
        attempts: requests that went out; more than `sent` where clients came again.
        errors: failed users by the kind of their last failure.
        refused: refused attempts by the code that the server gave.
    """

    sent: int
    done: int
    failed: int
    attempts: int
    tokens: int
    ttft: Percentiles
    itl: Percentiles
    e2e: Percentiles
    met_slo: int
    goodput: float
    errors: dict[str, int]
    refused: dict[str, int]


class Summary(Part):
    """A whole run.

    Args:
        by: the same by class, country or label, each where there is more than one.
        late: how long after their planned time arrivals were begun; more than a few milliseconds says that the
            generator, not the server, was at its limit.
        sign_ups: events of the account feed that were taken; `sign_ups_failed` were not.
    """

    summary: Literal[True] = True
    scenario: str
    seed: int
    rate: float
    t: float
    cancelled: int
    skipped: int
    ttft_p50: float | None
    ttft_p95: float | None
    tokens_per_s: float
    slo_ttft_s: float
    slo_itl_s: float
    late: Percentiles
    sign_ups: int
    sign_ups_failed: int
    by: dict[str, dict[str, SerializeAsAny[Part]]]


def percentile(values: list[float], share: float) -> float | None:
    """The smallest value that at least *share* of *values* do not exceed; None for no values."""
    if not values:
        return None
    return round(sorted(values)[max(0, math.ceil(share * len(values)) - 1)], 4)
