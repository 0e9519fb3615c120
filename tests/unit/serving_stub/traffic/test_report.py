"""What a traffic run reports."""

from __future__ import annotations

import random

import pytest

from serving_stub.traffic.ask import Ask
from serving_stub.traffic.client import PromptSize
from serving_stub.traffic.histogram import Histogram
from serving_stub.traffic.persona import Population
from serving_stub.traffic.report import percentile
from serving_stub.traffic.tally import Group, Slo, Tally, Timing

HELLO = Ask(0.0, "hello", 0)


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
    tally = Tally(all=Group(sent=5, done=2), skipped=1)
    tally.fail(HELLO, "timeout")
    line = tally.line(3.0)
    assert (line.sent, line.done, line.failed, line.outstanding, line.skipped) == (5, 2, 1, 2, 1)


def test_a_lines_percentiles_forget_after_ten_seconds() -> None:
    """Only first tokens of the last ten seconds count in a line; all of them in the summary."""
    tally = Tally()
    tally.first_token(HELLO, 1.0, 9.0)
    tally.first_token(HELLO, 8.0, 2.0)
    assert tally.line(9.0).ttft_p95 == 9.0
    assert tally.line(12.0).ttft_p95 == 2.0
    assert tally.line(30.0).ttft_p95 is None
    assert tally.summary(30.0, "steady", 0, 1.0).ttft_p95 == 9.0


def test_token_rates_are_since_the_line_before() -> None:
    """A line's rate is that of its own second, the summary's that of the run."""
    tally = Tally(all=Group(tokens=100))
    assert tally.line(1.0).tokens_per_s == 100.0
    tally.all.tokens = 150
    assert tally.line(2.0).tokens_per_s == 50.0
    assert tally.summary(10.0, "steady", 0, 1.0).tokens_per_s == 15.0


def test_a_prompt_size_leaves_room_for_the_template() -> None:
    """Words are chosen so that template and text together have the asked tokens."""
    assert PromptSize(overhead=30.0, tokens_per_word=1.25).num_words(80) == 40
    assert PromptSize(overhead=30.0, tokens_per_word=1.25).num_words(10) == 1


@pytest.mark.parametrize(
    ("timing", "is_good"),
    [
        (Timing(ttft_s=1.0, gaps_s=[0.2] * 20), True),
        (Timing(ttft_s=1.01, gaps_s=[0.01]), False),
        (Timing(ttft_s=0.1, gaps_s=[0.01] * 19 + [9.0]), True),
        (Timing(ttft_s=0.1, gaps_s=[0.01] * 18 + [9.0] * 2), False),
        (Timing(ttft_s=0.1), True),
        (Timing(), False),
    ],
    ids=["at the limits", "late", "one stall in twenty", "two stalls in twenty", "one token", "nothing came"],
)
def test_goodput_counts_answers_that_were_in_time(timing: Timing, is_good: bool) -> None:
    """The first token within the one limit, 95 of 100 gaps within the other."""
    assert timing.meets(Slo(ttft_s=1.0, itl_s=0.2)) is is_good


def test_goodput_is_per_second() -> None:
    """Four good answers of five in two seconds are two a second."""
    tally = Tally()
    for ttft_s in (0.1, 0.2, 0.3, 0.4, 5.0):
        tally.send(HELLO)
        tally.finish(HELLO, Timing(ttft_s=ttft_s), 6.0)
    summary = tally.summary(2.0, "steady", 0, 1.0)
    assert (summary.met_slo, summary.goodput, summary.e2e.p99) == (4, 2.0, 6.0)


def test_a_summary_has_parts_where_users_differ() -> None:
    """By country and label where there are several; a class that all share, or that nobody has, says nothing."""
    people = Population.of(1)
    source = random.Random(1)
    tally = Tally()
    for country, label in (("US", "short"), ("JP", "short"), ("JP", "long")):
        ask = Ask(0.0, "hello", 0, people.draw(source, country), label=label)
        tally.send(ask)
        tally.fail(ask, "status_503")
    summary = tally.summary(1.0, "steady", 0, 1.0)
    assert {kind: {name: part.sent for name, part in parts.items()} for kind, parts in summary.by.items()} == {
        "label": {"long": 1, "short": 2},
        "country": {"JP": 2, "US": 1},
    }
    assert summary.by["country"]["JP"].errors == {"status_503": 2}


def test_codes_of_refusals_are_bounded() -> None:
    """A server that invents a code for every answer does not fill the summary."""
    tally = Tally()
    for number in range(100):
        tally.refuse(HELLO, f"code-{number}")
    assert len(tally.all.refused) == 31
    assert tally.all.refused["other"] == 70


@pytest.mark.parametrize(("share", "expected"), [(0.5, 0.050), (0.9, 0.090), (0.99, 0.099)])
def test_a_histograms_percentile_is_within_a_percent(share: float, expected: float) -> None:
    """Times from 1 to 100 ms, once each."""
    histogram = Histogram()
    for milliseconds in range(1, 101):
        histogram.add(milliseconds / 1000)
    assert histogram.percentile(share) == pytest.approx(expected, rel=0.011)
    assert Histogram().percentile(share) is None


def test_the_scenario_is_a_part_beside_the_shapes() -> None:
    """Where shapes are mixed in, everybody else counts under the scenario's name."""
    tally = Tally(unlabelled="steady")
    tally.send(HELLO)
    tally.send(Ask(0.0, "hello", 0, label="A1"))
    assert {name: part.sent for name, part in tally.summary(1.0, "steady", 0, 1.0).by["label"].items()} == {
        "A1": 1,
        "steady": 1,
    }
