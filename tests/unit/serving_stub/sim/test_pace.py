"""Real time for simulated steps, on a clock of the test's."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from serving_stub.sim.pace import MOST_BEHIND_S, RealTimePace


@dataclass(slots=True)
class Paced:
    """A pace, whose time passes by sleeping and by whatever the test says was computed."""

    at_s: float = 100.0
    is_fresh: bool = True
    slept: list[float] = field(default_factory=list)
    pace: RealTimePace = field(init=False)

    def __post_init__(self) -> None:
        self.pace = RealTimePace(lambda: self.is_fresh, lambda: self.at_s, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at_s += seconds

    def step(self, seconds: float, *, computing_s: float = 0.0) -> float:
        """Compute, then take the step; answers when it ended."""
        self.at_s += computing_s
        self.pace.pass_time(seconds)
        self.is_fresh = False
        return self.at_s


def test_computing_is_part_of_a_step() -> None:
    """Steps end on time as long as computing takes less than they do, however it varies."""
    paced = Paced()
    paced.step(0.03)
    ends = [paced.step(0.03, computing_s=computing_s) for computing_s in (0.0, 0.01, 0.029, 0.005)]
    assert ends == pytest.approx([100.06, 100.09, 100.12, 100.15])
    assert paced.slept == pytest.approx([0.03, 0.03, 0.02, 0.001, 0.025])
    assert paced.pace.now() == paced.at_s
    assert paced.pace.lost_s == 0


def test_a_slow_moment_is_made_up_for() -> None:
    """Who is behind a little does not sleep until he is on time again."""
    paced = Paced()
    paced.step(0.03)
    ends = [paced.step(0.03, computing_s=computing_s) for computing_s in (0.08, 0.001, 0.001, 0.001)]
    assert ends == pytest.approx([100.11, 100.111, 100.12, 100.15])
    assert paced.pace.lost_s == 0


def test_idle_time_is_not_caught_up_with() -> None:
    """The first step after an idle time begins when it begins, not when the last one ended."""
    paced = Paced()
    paced.step(0.03)
    paced.at_s += 50
    paced.is_fresh = True
    assert paced.step(0.03) == pytest.approx(150.06)
    assert paced.step(0.03) == pytest.approx(150.09)
    assert paced.pace.lost_s == 0


def test_time_is_given_up() -> None:
    """Whoever is further behind than MOST_BEHIND_S goes on from now, and says how much was lost."""
    paced = Paced()
    paced.step(0.5)
    late = paced.step(0.5, computing_s=0.5 + MOST_BEHIND_S)
    assert late == pytest.approx(102.0)
    assert paced.pace.lost_s == 0  # exactly so much is still caught up with
    late = paced.step(0.5, computing_s=0.75)
    assert paced.pace.lost_s == pytest.approx(1.25)
    assert paced.step(0.5) == pytest.approx(late + 0.5)
    assert paced.pace.lost_s == pytest.approx(1.25)
    paced.step(0.5, computing_s=3.5)
    assert paced.pace.lost_s == pytest.approx(4.25)
