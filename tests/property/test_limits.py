"""Through any history of requests and settlements: waits are true, and nobody gets more than a minute's worth."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from serving_stub.frontdoor.limits import Budget, Charge, Exceeded, RateLimiter

LIMIT = 100
STEPS = st.lists(st.tuples(st.floats(0, 40), st.integers(1, LIMIT), st.integers(0, LIMIT)), min_size=1, max_size=30)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_a_wait_is_neither_too_short_nor_too_long(steps: list[tuple[float, int, int]]) -> None:
    """Whoever comes back when told to is served; a little earlier not."""
    limiter, budgets, now = RateLimiter(), [Budget("k", tokens_per_min=LIMIT)], 0.0
    for pause_s, cost, used in steps:
        now += pause_s
        taken = limiter.take(budgets, cost, now)
        if isinstance(taken, Exceeded):
            assert taken.wait_s is not None
            if taken.wait_s > 0.1:
                assert isinstance(limiter.take(budgets, cost, now + taken.wait_s - 0.05), Exceeded)
            now += taken.wait_s + 0.001
            taken = limiter.take(budgets, cost, now)
            assert isinstance(taken, Charge)
        limiter.settle(taken, used)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_no_minute_holds_more_than_the_limit(steps: list[tuple[float, int, int]]) -> None:
    """By the clock's minutes, of what was used, where estimates were at least that."""
    limiter, budgets, now = RateLimiter(), [Budget("k", tokens_per_min=LIMIT)], 0.0
    used_in: dict[int, int] = {}
    for pause_s, estimate, used in steps:
        now += pause_s
        taken = limiter.take(budgets, estimate, now)
        if isinstance(taken, Charge):
            limiter.settle(taken, min(used, estimate))
            used_in[int(now // 60)] = used_in.get(int(now // 60), 0) + min(used, estimate)
    assert max(used_in.values(), default=0) <= LIMIT
