"""Kept forecasts are scored against what happened; marks are read back."""

from __future__ import annotations

import math

import pytest

from opsbot.capacity.forecast import Forecast
from opsbot.capacity.lognormal import LogNormal
from opsbot.capacity.mark import Mark, make_mark, parse_marks, parse_time
from opsbot.capacity.record import RecordError, keep, parse_records, score
from opsbot.errors import ConfigError, OpsbotError

BAND = LogNormal.of_range(50.0, 200.0)
MADE = Forecast(LogNormal(0.0), [float(at) for at in range(100, 900, 100)], [BAND] * 8)


def test_promises_are_scored_one_by_one() -> None:
    """Inside, outside by a factor of 4, without data, and still ahead."""
    records = parse_records([keep(0.0, "eu", "m", 60.0, MADE, "KV", None)], "f")
    happened = {("eu", "m", 100.0, 60.0): 100.0, ("eu", "m", 200.0, 60.0): 400.0, ("us", "m", 300.0, 60.0): 1.0}
    found = score(records, happened, 300.0)
    assert (found.num_scored, found.num_inside, found.num_without_data, found.num_waiting) == (2, 1, 1, 5)
    assert found.typical_factor == pytest.approx(2.5)


def test_a_load_that_vanished_is_off_without_bound() -> None:
    """Zero tokens: outside, and infinitely far."""
    records = parse_records([keep(0.0, "eu", "m", 60.0, MADE, "KV", None)], "f")
    found = score(records, {("eu", "m", 100.0, 60.0): 0.0}, 100.0)
    assert (found.num_inside, found.typical_factor) == (0, math.inf)


def test_a_forecast_that_cannot_be_read_is_named() -> None:
    """With its file and field."""
    with pytest.raises(RecordError, match=r"f.jsonl: a forecast's 'made_at_s'"):
        parse_records([{"cluster": "eu"}], "f.jsonl")


def test_marks_are_read_back_in_order() -> None:
    """What is kept is what is read; white space becomes one space."""
    late, early = make_mark("load\n test", 20.0), make_mark("launch", 10.0)
    assert parse_marks([late.to_entry(), early.to_entry()], "f") == (Mark(10.0, "launch"), Mark(20.0, "load test"))


@pytest.mark.parametrize("text", ["", " \n", "x" * 81], ids=["empty", "blank", "long"])
def test_a_mark_needs_a_short_text(text: str) -> None:
    """It stands on a chart."""
    with pytest.raises(ConfigError, match="1 to 80 characters"):
        make_mark(text, 0.0)


def test_times_are_utc_unless_they_say_otherwise() -> None:
    """An hour between the two; other text is refused with an example."""
    assert parse_time("1970-01-01T01:00") == 3600.0
    assert parse_time("1970-01-01T01:00+01:00") == 0.0
    with pytest.raises(OpsbotError, match="2026-11-24T10:00"):
        parse_time("noon")
