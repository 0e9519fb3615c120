"""Requests and tokens a minute: what fits, what is settled, and what a refusal says."""

from __future__ import annotations

import pytest

from serving_stub.frontdoor.limits import Budget, Charge, Exceeded, RateLimiter, format_reset, rate_refusal
from serving_stub.frontdoor.refusal import Reason


def take(limiter: RateLimiter, budgets: list[Budget], num_tokens: int = 1, *, now: float) -> Charge:
    """A request that fits."""
    charge = limiter.take(budgets, num_tokens, now)
    assert isinstance(charge, Charge)
    return charge


def exceed(limiter: RateLimiter, budgets: list[Budget], num_tokens: int = 1, *, now: float) -> Exceeded:
    """A request that does not."""
    exceeded = limiter.take(budgets, num_tokens, now)
    assert isinstance(exceeded, Exceeded)
    return exceeded


def test_requests_of_a_minute() -> None:
    """The limit fits, one more does not, and it says how long to wait."""
    limiter, budgets = RateLimiter(), [Budget("k", requests_per_min=3)]
    for _ in range(3):
        take(limiter, budgets, now=30.0)
    exceeded = exceed(limiter, budgets, now=30.0)
    assert (exceeded.kind, exceeded.limit, exceeded.asked) == ("requests", 3, 1)
    assert exceeded.wait_s is not None
    exceed(limiter, budgets, now=30.0 + exceeded.wait_s - 0.01)
    take(limiter, budgets, now=30.0 + exceeded.wait_s)


def test_the_last_minute_counts_by_what_is_left_of_it() -> None:
    """Sixty tokens used in one minute: half a minute into the next, thirty are free again."""
    limiter, budgets = RateLimiter(), [Budget("k", tokens_per_min=60)]
    take(limiter, budgets, 60, now=59.0)
    exceed(limiter, budgets, 32, now=90.0)
    take(limiter, budgets, 30, now=90.0)


def test_nobody_pays_for_what_was_not_generated() -> None:
    """An estimate of 90 tokens that came to 10 leaves room for 90 others."""
    limiter, budgets = RateLimiter(), [Budget("k", tokens_per_min=100)]
    charge = take(limiter, budgets, 90, now=10.0)
    exceed(limiter, budgets, 90, now=10.0)
    limiter.settle(charge, 10)
    take(limiter, budgets, 90, now=10.0)


def test_more_than_estimated_is_charged_too() -> None:
    """The limit is passed by what is in flight, and the next request waits for it."""
    limiter, budgets = RateLimiter(), [Budget("k", tokens_per_min=100)]
    limiter.settle(take(limiter, budgets, 10, now=10.0), 150)
    exceed(limiter, budgets, 1, now=10.0)


def test_a_settlement_corrects_the_minute_that_was_charged() -> None:
    """A stream that ends in the next minute frees last minute's count, and one two minutes on frees nothing."""
    limiter, budgets = RateLimiter(), [Budget("k", tokens_per_min=100)]
    charge = take(limiter, budgets, 100, now=59.0)
    exceed(limiter, budgets, 90, now=61.0)
    limiter.settle(charge, 0)
    charge = take(limiter, budgets, 90, now=61.0)
    take(limiter, budgets, 100, now=200.0)
    limiter.settle(charge, 0)
    exceed(limiter, budgets, 1, now=200.0)


def test_all_budgets_or_none() -> None:
    """Where the tenant's limit is used up, the key's count stays as it was."""
    limiter, key, tenant = RateLimiter(), Budget("key", 5, 1000), Budget("tenant", 1, None)
    take(limiter, [key, tenant], 100, now=10.0)
    assert exceed(limiter, [key, tenant], 100, now=10.0).index == 1
    take(limiter, [key], 900, now=10.0)
    assert dict(limiter.headers([key], 10.0))["x-ratelimit-remaining-requests"] == "3"


def test_a_refund_is_as_if_it_had_not_been() -> None:
    """Requests and tokens both, for a request that was turned away further on."""
    limiter, budgets = RateLimiter(), [Budget("k", 1, 100)]
    limiter.refund(take(limiter, budgets, 100, now=10.0))
    take(limiter, budgets, 100, now=10.0)


def test_a_limit_that_changes_keeps_what_was_used() -> None:
    """The count belongs to the name."""
    limiter = RateLimiter()
    take(limiter, [Budget("k", requests_per_min=5)], now=10.0)
    exceed(limiter, [Budget("k", requests_per_min=1)], now=11.0)


def test_headers_name_the_budget_with_the_least_left() -> None:
    """Key and tenant have limits: the caller learns of the tighter one."""
    limiter, budgets = RateLimiter(), [Budget("key", 10, 1000), Budget("tenant", 100, 500)]
    take(limiter, budgets, 200, now=30.0)
    assert limiter.headers(budgets, 30.0) == (
        ("x-ratelimit-limit-requests", "10"),
        ("x-ratelimit-remaining-requests", "9"),
        ("x-ratelimit-reset-requests", "1m30s"),
        ("x-ratelimit-limit-tokens", "500"),
        ("x-ratelimit-remaining-tokens", "300"),
        ("x-ratelimit-reset-tokens", "1m30s"),
    )


def test_no_limits_cost_nothing() -> None:
    """Nothing is counted and nothing is said."""
    limiter, budgets = RateLimiter(), [Budget("k")]
    take(limiter, budgets, 10**9, now=1.0)
    assert limiter.headers(budgets, 1.0) == ()


def test_the_refusal_says_when() -> None:
    """429 in OpenAI's words, with the wait."""
    limiter, budgets = RateLimiter(), [Budget("k", requests_per_min=1)]
    take(limiter, budgets, now=30.0)
    refusal = rate_refusal(exceed(limiter, budgets, now=30.0), limiter.headers(budgets, 30.0))
    assert (refusal.status, refusal.code, refusal.reason) == (429, "rate_limit_exceeded", Reason.RATE_LIMIT_REQUESTS)
    assert refusal.message == "The limit is 1 requests a minute and is used up. Try again in 31s."
    headers = dict(refusal.wire_headers())
    assert (headers["retry-after"], headers["x-ratelimit-remaining-requests"]) == ("31", "0")


def test_a_request_that_never_fits_is_not_asked_to_come_back() -> None:
    """Larger than a whole minute's worth: the client is told not to retry."""
    refusal = rate_refusal(exceed(RateLimiter(), [Budget("k", tokens_per_min=10)], 11, now=1.0), ())
    assert (refusal.param, refusal.reason) == ("max_tokens", Reason.RATE_LIMIT_TOKENS)
    assert list(refusal.wire_headers()) == [("x-should-retry", "false")]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0ms"), (0.12, "120ms"), (1.0, "1s"), (59.2, "1m0s"), (90.0, "1m30s")]
)
def test_waits_as_openai_writes_them(seconds: float, text: str) -> None:
    """Rounded up."""
    assert format_reset(seconds) == text
