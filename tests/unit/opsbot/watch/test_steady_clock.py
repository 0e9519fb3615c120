"""Time for samples never runs backwards."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opsbot.watch.steady_clock import SteadyClock
from tests.support.watching import StepClock


def test_it_follows_the_machines_clock() -> None:
    """Also when that is set forward."""
    clock = StepClock(1000.0)
    steady = SteadyClock(clock)
    clock.advance(5.0)
    assert steady.now() == 1005.0
    clock.wall += 3600.0
    assert steady.now() == 4605.0


def test_it_goes_on_when_the_machines_clock_steps_back() -> None:
    """At the monotonic clock's pace, until the other has caught up."""
    clock = StepClock(1000.0)
    steady = SteadyClock(clock)
    clock.wall -= 10.0
    clock.advance(1.0)
    assert steady.now() == 1001.0
    clock.advance(1.0)
    assert steady.now() == 1002.0
    clock.wall += 10.0
    clock.advance(1.0)
    assert steady.now() == clock.wall == 1003.0


def test_a_step_forward_is_told_before_its_time_is() -> None:
    """Once, by its size; slewing and steps back are none."""
    clock = StepClock(1000.0)
    told: list[float] = []
    steady = SteadyClock(clock, told.append)
    for step, passed in ((0.05, 1.0), (3600.0, 1.0), (0.0, 1.0), (-3600.0, 1.0), (0.0, 1.0)):
        clock.wall += step
        clock.advance(passed)
        steady.now()
    assert told == [3600.0]


@given(st.lists(st.tuples(st.floats(-5000, 5000), st.floats(0.001, 10)), max_size=30))
def test_it_never_runs_backwards(moves: list[tuple[float, float]]) -> None:
    """Whatever the machine's clock does."""
    clock = StepClock(1_790_000_000.0)
    steady = SteadyClock(clock)
    seen = [steady.now()]
    for step, passed in moves:
        clock.wall += step
        clock.advance(passed)
        seen.append(steady.now())
    assert seen == sorted(set(seen))
