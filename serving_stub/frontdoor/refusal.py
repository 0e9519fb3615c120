"""Refusals: what the front door says when it turns a request away.

Every module that decides returns one of these or None; the API turns it into an answer in OpenAI's error shape and
counts it by `reason`. The message goes to the caller as it is, so it names no prompt, key or address.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why requests are turned away: the label of `frontdoor_requests_shed_total`, so the list is closed and short."""

    MISSING_API_KEY = "missing_api_key"
    INVALID_API_KEY = "invalid_api_key"
    EXPIRED_API_KEY = "expired_api_key"
    RATE_LIMIT_REQUESTS = "rate_limit_requests"
    RATE_LIMIT_TOKENS = "rate_limit_tokens"
    QUEUE_FULL = "queue_full"
    TOO_LATE = "too_late"
    DEADLINE = "deadline"
    SHED = "shed"
    THROTTLED = "throttled"
    BLOCKED = "blocked"
    FAILWHALE = "failwhale"
    DRAINING = "draining"
    FENCED = "fenced"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One request turned away.

    Args:
        status: of the HTTP answer.
        code: OpenAI's or our word for it, as in the error object.
        message: for the caller.
        reason: for the counter.
        retry_after_s: when another try has a chance; None where waiting does not help.
        param: the field of the request that is at fault.
        headers: further ones of the answer, names in lower case.
    """

    status: int
    code: str
    message: str
    reason: Reason
    retry_after_s: float | None = None
    param: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def wire_headers(self) -> Iterator[tuple[str, str]]:
        """All headers of the answer: `retry-after` in whole seconds, rounded up, and never 0."""
        if self.retry_after_s is not None:
            yield "retry-after", str(whole_seconds(self.retry_after_s))
        yield from self.headers


def whole_seconds(seconds: float) -> int:
    """What `Retry-After` can say: at least 1, and never too early; an endless wait is a day."""
    return min(86_400, max(1, math.ceil(min(seconds, 86_400.0))))
