"""Throttle and block: whom they may mean, how much they leave, and what the answer says."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import ValidationError

from serving_stub.frontdoor.caller import Caller
from serving_stub.frontdoor.fold import Layer
from serving_stub.frontdoor.limits import Charge, RateLimiter
from serving_stub.frontdoor.refusal import Reason, Refusal
from serving_stub.frontdoor.selector import Selector
from serving_stub.frontdoor.throttle import (
    BlockValue,
    ReasonClass,
    ThrottleValue,
    decide_block,
    decide_throttle,
)

APPEAL = "https://example.com/appeal"
ACME = Selector(tenant=("acme",))
CALLER = Caller("account:acme/a", tenant="acme")
OTHER = Caller("account:acme/b", tenant="acme")
STRANGER = Caller("account:else/c", tenant="else")


def block(reason_class: ReasonClass = ReasonClass.KEY_SHARING, strength: float = 1.0) -> Layer[BlockValue]:
    """A lease on the tenant `acme`."""
    return Layer(BlockValue(selector=ACME, reason_class=reason_class), strength, "l-1")


def throttle(
    requests_per_min: int | None = None,
    tokens_per_min: int | None = None,
    reason_class: ReasonClass = ReasonClass.AUTOMATED_ABUSE,
    per: Literal["caller", "cohort"] = "caller",
    strength: float = 1.0,
) -> Layer[ThrottleValue]:
    """A lease on the tenant `acme`."""
    value = ThrottleValue(
        selector=ACME,
        requests_per_min=requests_per_min,
        tokens_per_min=tokens_per_min,
        reason_class=reason_class,
        per=per,
    )
    return Layer(value, strength, "l-1")


def num_taken(caller: Caller, layers: list[Layer[ThrottleValue]], limiter: RateLimiter | None = None) -> int:
    """How many requests of one token are let through in a minute, at most fifty."""
    limiter = limiter or RateLimiter()
    return sum(isinstance(decide_throttle(caller, layers, limiter, 1, 0.0, None), Charge) for _ in range(50))


def refusal_of(layers: list[Layer[ThrottleValue]], num_tokens: int = 1) -> Refusal:
    """What `CALLER` hears once the throttle is used up."""
    limiter = RateLimiter()
    for _ in range(50):
        answer = decide_throttle(CALLER, layers, limiter, num_tokens, 0.0, APPEAL)
        if isinstance(answer, Refusal):
            return answer
    raise AssertionError("nothing was refused")


def test_the_blocked_hear_why_and_where_to_appeal() -> None:
    """403, not to be tried again; nobody outside the cohort notices."""
    refusal = decide_block(CALLER, [block()], APPEAL)
    assert refusal == Refusal(
        403,
        "blocked",
        "This request is blocked: the API key seems to be shared by many people. "
        "If this is a mistake, appeal at https://example.com/appeal.",
        Reason.BLOCKED,
        headers=(("x-reason-class", "key_sharing"), ("x-appeal-url", "https://example.com/appeal")),
    )
    assert decide_block(STRANGER, [block()], APPEAL) is None


def test_a_block_that_ramps_lets_go_one_by_one() -> None:
    """Whoever was let go stays let go."""
    callers = [Caller(f"account:acme/{number}", tenant="acme") for number in range(1000)]
    blocked = [
        {caller.identity for caller in callers if decide_block(caller, [block(strength=strength)], None)}
        for strength in (0.25, 0.5, 1.0)
    ]
    assert [len(one) for one in blocked] == [pytest.approx(250, abs=40), pytest.approx(500, abs=40), 1000]
    assert blocked[0] <= blocked[1] <= blocked[2]


def test_the_tightest_throttle_holds() -> None:
    """Of each kind, in whatever order the leases came."""
    layers = [throttle(5), throttle(3), throttle(requests_per_min=4, tokens_per_min=2)]
    assert num_taken(CALLER, layers) == num_taken(CALLER, layers[::-1]) == 2
    assert num_taken(CALLER, layers[:2]) == 3
    assert decide_throttle(STRANGER, layers, RateLimiter(), 1, 0.0, None) is None


def test_per_caller_or_for_the_cohort_together() -> None:
    """Four a minute for each, or four for all of them."""
    limiter = RateLimiter()
    assert [num_taken(one, [throttle(4)], limiter) for one in (CALLER, OTHER)] == [4, 4]
    limiter = RateLimiter()
    assert [num_taken(one, [throttle(4, per="cohort")], limiter) for one in (CALLER, OTHER)] == [4, 0]


def test_a_throttle_that_ramps_widens() -> None:
    """At half strength twice as much, and what was used stays used."""
    limiter = RateLimiter()
    assert num_taken(CALLER, [throttle(4)], limiter) == 4
    assert num_taken(CALLER, [throttle(4, strength=0.5)], limiter) == 4
    assert num_taken(CALLER, [throttle(4, strength=0.25)], limiter) == 8


def test_the_throttled_hear_why_when_and_where_to_appeal() -> None:
    """By the lease whose limit was met."""
    refusal = refusal_of([throttle(tokens_per_min=100, reason_class=ReasonClass.PAYMENT), throttle(5)])
    assert (refusal.status, refusal.code, refusal.reason) == (429, "throttled", Reason.THROTTLED)
    assert refusal.message == (
        "This caller is throttled to 5 requests a minute: the traffic looks like automated abuse. "
        "Try again in 1m1s. If this is a mistake, appeal at https://example.com/appeal."
    )
    assert dict(refusal.wire_headers()) == {
        "retry-after": "61",
        "x-reason-class": "automated_abuse",
        "x-appeal-url": "https://example.com/appeal",
    }


def test_a_request_larger_than_the_throttle_is_not_asked_to_come_back() -> None:
    """It would never fit."""
    refusal = refusal_of([throttle(tokens_per_min=100)], num_tokens=101)
    assert "This request alone asks for 101." in refusal.message
    assert refusal.retry_after_s is None
    assert ("x-should-retry", "false") in refusal.headers


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        ({}, "selector names nobody"),
        ({"network": ["203.0.113.0/24"]}, "a network alone is many"),
        ({"network": ["203.0.113.0/24"], "network_kind": ["hosting"]}, "a network alone is many"),
        ({"class": ["free"], "model": ["m"]}, "selector names nobody"),
        ({"client": ["x"], "country": ["JP"]}, "country is no reason to block"),
    ],
)
def test_whom_a_block_may_not_mean(selector: dict[str, object], problem: str) -> None:
    """An address alone, a place, or everybody."""
    with pytest.raises(ValidationError, match=problem):
        BlockValue.model_validate({"selector": selector, "reason_class": "automated_abuse"})


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"selector": {}, "requests_per_min": 1}, "selector is empty"),
        ({"selector": {"tenant": None}, "requests_per_min": 1}, "selector is empty"),
        ({"selector": {"tenant": ["a"]}}, "one of requests_per_min and tokens_per_min"),
        ({"selector": {"tenant": ["a"]}, "requests_per_min": 0}, "greater than or equal to 1"),
        ({"selector": {"country": ["JP"]}, "requests_per_min": 1}, "country is a reason for nothing but capacity"),
        ({"selector": {"tenant": ["a"]}, "requests_per_min": 1, "reason_class": "dislike"}, "reason_class"),
    ],
)
def test_values_that_are_no_throttle(value: dict[str, object], problem: str) -> None:
    """Refused before there is a lease."""
    with pytest.raises(ValidationError, match=problem):
        ThrottleValue.model_validate({"reason_class": "automated_abuse", **value})


def test_country_counts_where_capacity_is_regional() -> None:
    """The one reason that has to do with a place."""
    value = {"selector": {"country": ["JP"]}, "requests_per_min": 1, "reason_class": "capacity"}
    assert ThrottleValue.model_validate(value).reason_class is ReasonClass.CAPACITY
