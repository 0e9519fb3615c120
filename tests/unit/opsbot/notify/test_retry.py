"""When a failed delivery is tried again."""

from __future__ import annotations

from opsbot.notify.notifier import DeliveryError
from opsbot.notify.retry import RetryPolicy

POLICY = RetryPolicy()


def test_the_pause_doubles_up_to_a_minute() -> None:
    """An outage is asked after 1, 2, 4 … seconds, then once a minute."""
    outage = DeliveryError("Slack is away")
    assert [POLICY.next_at(attempts, outage, 0.0) for attempts in (0, 1, 2, 5, 6, 900)] == [1, 2, 4, 32, 60, 60]


def test_the_pause_that_was_asked_for_is_kept() -> None:
    """Retry-After is a lower bound, also above our own longest pause."""
    assert POLICY.next_at(0, DeliveryError("slow down", retry_after_s=90.0), 100.0) == 190.0


def test_an_unknown_outcome_settles_first() -> None:
    """After a lost answer we wait until a late post can be seen."""
    assert POLICY.next_at(0, DeliveryError("no answer", outcome_unknown=True), 0.0) == 2.0


def test_a_refusal_is_given_up_soon() -> None:
    """Five attempts, because waiting does not cure invalid blocks."""
    refusal = DeliveryError("invalid_blocks", retryable=False)
    assert [POLICY.next_at(attempts, refusal, 0.0) for attempts in range(5)] == [1, 2, 4, 8, None]


def test_an_outage_is_sat_out_for_a_day() -> None:
    """A page survives an outage of a day, and is given up after it."""
    outage = DeliveryError("Slack is away")
    waited_s = sum(POLICY.next_at(attempts, outage, 0.0) or 0.0 for attempts in range(1500))
    assert waited_s > 24 * 3600
    assert POLICY.next_at(1499, outage, 0.0) is None
