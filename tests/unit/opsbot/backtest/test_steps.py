"""Which instants are evaluated."""

from __future__ import annotations

from opsbot.backtest.finding import Stretch
from opsbot.backtest.steps import num_steps, stretches, windows


def instants(parts: list[Stretch], most: int) -> list[float]:
    """All of them, in order."""
    return [at for window in windows(parts, most) for at in window.times]


def test_where_samples_are_coarse_evaluations_are_too() -> None:
    """Each stretch has its own step, unless one is given."""
    assert stretches(0.0, 300.0, 125.0, 10.0, 60.0, None) == [
        Stretch(0.0, 180.0, 60.0, 60.0),
        Stretch(180.0, 300.0, 10.0, 10.0),
    ]
    assert stretches(0.0, 300.0, 125.0, 10.0, 60.0, 30.0) == [
        Stretch(0.0, 180.0, 60.0, 30.0),
        Stretch(180.0, 300.0, 10.0, 30.0),
    ]


def test_there_may_be_one_resolution_only() -> None:
    """All of it fine, or all of it coarse."""
    assert stretches(600.0, 900.0, 0.0, 10.0, 60.0, None) == [Stretch(600.0, 900.0, 10.0, 10.0)]
    assert stretches(615.0, 900.0, 615.0, 10.0, 60.0, None) == [Stretch(615.0, 900.0, 10.0, 10.0)]
    assert stretches(600.0, 900.0, 9999.0, 10.0, 60.0, None) == [Stretch(600.0, 900.0, 60.0, 60.0)]


def test_instants_are_multiples_of_the_step_and_each_comes_once() -> None:
    """Also where two stretches meet, and however few fit a window."""
    parts = [Stretch(50.0, 180.0, 60.0, 60.0), Stretch(180.0, 215.0, 10.0, 10.0)]
    expected = [60.0, 120.0, 180.0, 190.0, 200.0, 210.0]
    assert instants(parts, 100) == instants(parts, 1) == instants(parts, 2) == expected


def test_a_window_knows_its_last_instant() -> None:
    """And what is counted is never less than there is."""
    parts = [Stretch(0.0, 95.0, 10.0, 10.0)]
    assert [(window.first_s, window.last_s, window.count) for window in windows(parts, 4)] == [
        (0.0, 30.0, 4),
        (40.0, 70.0, 4),
        (80.0, 90.0, 2),
    ]
    assert num_steps(parts) == 10
