"""What a traffic run reports."""

from __future__ import annotations

import pytest

from serving_stub.traffic.client import PromptSize
from serving_stub.traffic.report import Tally, percentile


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([3.0], 0.95, 3.0),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0),
        ([float(number) for number in range(1, 101)], 0.95, 95.0),
    ],
    ids=["none", "one", "even", "hundred"],
)
def test_a_percentile_is_a_value_that_occurred(values: list[float], share: float, expected: float | None) -> None:
    """Percentiles are taken by nearest rank."""
    assert percentile(values, share) == expected


def test_a_line_counts_requests() -> None:
    """Sent requests are done, failed or outstanding."""
    tally = Tally(sent=5, done=2, skipped=1)
    tally.fail("timeout")
    line = tally.line(3.0)
    assert (line.sent, line.done, line.failed, line.outstanding, line.skipped) == (5, 2, 1, 2, 1)


def test_a_lines_percentiles_forget_after_ten_seconds() -> None:
    """Only first tokens of the last ten seconds count in a line; all of them in the summary."""
    tally = Tally()
    tally.first_token(1.0, 9.0)
    tally.first_token(8.0, 2.0)
    assert tally.line(9.0).ttft_p95 == 9.0
    assert tally.line(12.0).ttft_p95 == 2.0
    assert tally.line(30.0).ttft_p95 is None
    assert tally.summary(30.0, "steady", 0, 1.0).ttft_p95 == 9.0


def test_token_rates_are_since_the_line_before() -> None:
    """A line's rate is that of its own second, the summary's that of the run."""
    tally = Tally(tokens=100)
    assert tally.line(1.0).tokens_per_s == 100.0
    tally.tokens = 150
    assert tally.line(2.0).tokens_per_s == 50.0
    assert tally.summary(10.0, "steady", 0, 1.0).tokens_per_s == 15.0


def test_a_prompt_size_leaves_room_for_the_template() -> None:
    """Words are chosen so that template and text together have the asked tokens."""
    assert PromptSize(overhead=30.0, tokens_per_word=1.25).num_words(80) == 40
    assert PromptSize(overhead=30.0, tokens_per_word=1.25).num_words(10) == 1
