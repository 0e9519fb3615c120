"""Circuit breaker: open after failures, one probe, closed again."""

from __future__ import annotations

from serving_stub.frontdoor.circuit_breaker import CircuitBreaker


def opened() -> CircuitBreaker:
    """A breaker that opened at 100 s for 30 s."""
    breaker = CircuitBreaker(failures_to_open=2, open_s=30.0)
    for _ in range(2):
        assert breaker.allows(100.0)
        breaker.failed(100.0)
    return breaker


def test_opens_after_failures_in_a_row() -> None:
    """A success in between starts the count anew."""
    breaker = CircuitBreaker(failures_to_open=2)
    breaker.failed(0.0)
    breaker.succeeded()
    breaker.failed(0.0)
    assert not breaker.is_open
    breaker.failed(0.0)
    assert breaker.is_open


def test_nobody_calls_while_it_is_open() -> None:
    """Until its time is over, no call is made."""
    breaker = opened()
    assert not breaker.allows(129.9)
    assert breaker.allows(130.0)


def test_one_probe_at_a_time() -> None:
    """After the wait one call tries; the others go on without."""
    breaker = opened()
    assert breaker.allows(130.0)
    assert not breaker.allows(130.0)


def test_probe_that_works_closes_it() -> None:
    """One success lets everybody call."""
    breaker = opened()
    assert breaker.allows(130.0)
    breaker.succeeded()
    assert breaker.allows(130.0)
    assert breaker.allows(130.0)


def test_probe_that_fails_opens_it_again() -> None:
    """One failure of the probe is enough for another wait."""
    breaker = opened()
    assert breaker.allows(130.0)
    breaker.failed(131.0)
    assert not breaker.allows(160.9)
    assert breaker.allows(161.0)


def test_abandoned_probe_leaves_the_next_one_to_try() -> None:
    """A caller that hangs up proves nothing, and does not keep the breaker waiting for it."""
    breaker = opened()
    assert breaker.allows(130.0)
    breaker.abandoned()
    assert breaker.allows(130.0)
