"""The axis of time, and texts that the font can draw."""

from __future__ import annotations

import math

import pytest

from opsbot.chart.style import drawable
from opsbot.chart.time_axis import MOST_TICKS, connected, ticks


@pytest.mark.parametrize(("span_s", "step_s"), [(300, 60), (1800, 600), (86_400, 21_600), (7 * 86_400, 86_400)])
def test_ticks_are_round_and_few(span_s: float, step_s: float) -> None:
    """Whole steps of a clock."""
    found = ticks(1_790_000_123.0, 1_790_000_123.0 + span_s)
    assert all(at % step_s == 0 for at in found)
    assert 2 <= len(found) <= MOST_TICKS + 1
    assert found[-1] <= 1_790_000_123.0 + 0.97 * span_s


def test_points_far_apart_are_not_connected() -> None:
    """A gap is no value."""
    times, values = connected([(0.0, 1.0), (10.0, 2.0), (60.0, 3.0)], 20.0)
    assert times == [0.0, 10.0, 60.0, 60.0]
    assert math.isnan(values[2])
    assert connected([], 20.0) == ([], [])


def test_what_the_font_lacks_is_a_dot() -> None:
    """One line, cut where it is too long."""
    assert drawable("KV ↗ 93% · é 事 🔥\n next") == "KV ↗ 93% · é · · next"
    assert drawable("x" * 20, 10) == "x" * 9 + "…"
