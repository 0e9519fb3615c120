"""Refusals: the headers that go with them."""

from __future__ import annotations

import pytest

from serving_stub.frontdoor.refusal import Reason, Refusal


@pytest.mark.parametrize(
    ("seconds", "header"),
    [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (90.0, "90"), (float("inf"), "86400")],
)
def test_retry_after_is_in_whole_seconds(seconds: float, header: str) -> None:
    """Rounded up, since a client that comes too early is turned away again; never 0."""
    refusal = Refusal(429, "queue_full", "Later.", Reason.QUEUE_FULL, retry_after_s=seconds)
    assert dict(refusal.wire_headers()) == {"retry-after": header}


def test_no_retry_after_where_waiting_does_not_help() -> None:
    """A blocked caller is not asked to come back."""
    refusal = Refusal(403, "blocked", "Blocked.", Reason.BLOCKED, headers=(("x-appeal", "here"),))
    assert list(refusal.wire_headers()) == [("x-appeal", "here")]
