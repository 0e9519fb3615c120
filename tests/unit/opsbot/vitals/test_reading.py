"""How a figure is read: its value, where it goes, and whether that is good."""

from __future__ import annotations

from typing import Any

import pytest

from opsbot.vitals.figure import FIGURES
from opsbot.vitals.reading import reading_of, readings_of, shown
from opsbot.vitals.vitals import Vitals

SINCE_S = 600.0


@pytest.mark.parametrize(
    ("key", "before", "now", "line", "mood", "is_tight"),
    [
        ("kv", 0.71, 0.93, "93% ↗ rising, 71% 10m ago", "bad", True),
        ("kv", 0.93, 0.71, "71% ↘ falling, 93% 10m ago", "good", False),
        ("kv", 0.90, 0.92, "92% → steady", "even", True),
        ("waiting", 14.0, 2.0, "2 ↘ falling, 14 10m ago", "good", False),
        ("waiting", 0.0, 1.0, "1 → steady", "even", False),
        ("ttft", 0.31, 2.6, "2.6 s ↗ rising, 310 ms 10m ago", "bad", True),
        ("tokens", 50_000.0, 20_000.0, "20k a minute ↘ falling, 50k a minute 10m ago", "bad", False),
        ("requests", 4.0, 8.0, "8 a second ↗ rising, 4 a second 10m ago", "even", False),
        ("preemptions", 0.0, 0.000252, "0 a minute → steady", "even", False),
        ("failed", None, 0.12, "12%", "even", True),
        ("kv", 0.5, None, "not known", "even", False),
    ],
)
def test_a_reading(key: str, before: float | None, now: float | None, line: str, mood: str, is_tight: bool) -> None:
    """Arrows have their word beside them; a small change is none; what is not known has no trend."""
    values: list[dict[str, Any]] = [{FIGURES[key].attribute: value} for value in (now, before)]
    vitals, past = (Vitals("a", **value) for value in values)
    found = reading_of(FIGURES[key], vitals, past, SINCE_S)
    assert (found.line, found.mood, found.is_tight) == (line, mood, is_tight)


def test_what_is_spoken_has_no_symbols() -> None:
    """A screen reader hears the figure's name, its value and its way."""
    (found,) = readings_of([FIGURES["kv"]], Vitals("a", kv_ratio=0.93), Vitals("a", kv_ratio=0.71), SINCE_S)
    assert found.spoken == "KV cache used 93%, rising from 71% 10 minutes ago"
    assert (found.name, found.unit, found.arrow, found.trend) == ("KV cache used", "share", "↗", "rising")


def test_a_batch_is_shown_beside_its_limit() -> None:
    """Where the limit is known."""
    assert shown(FIGURES["running"], 31.0, 32.0) == "31 of 32"
    found = reading_of(FIGURES["running"], Vitals("a", running=31, batch_limit=32), None, SINCE_S)
    assert (found.text, found.trend) == ("31 of 32", None)


def test_a_cluster_that_nobody_knows() -> None:
    """Every reading says so, and none raises."""
    for found in readings_of(FIGURES.values(), None, None, SINCE_S):
        assert (found.value, found.text, found.arrow, found.trend) == (None, "not known", "", None)
