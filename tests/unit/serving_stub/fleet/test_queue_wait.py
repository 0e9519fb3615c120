"""How long a newcomer would wait, from what was seen before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_stub.fleet.queue_wait import QueueWait

Look = tuple[float, int, int]
"""When, how many waited, and first tokens since the start."""


def last(*looks: Look) -> float:
    """What the last look gave."""
    wait = QueueWait(window_s=10.0)
    return [wait.seen(*look) for look in looks][-1]


def steady(until_s: int, *, waiting: int, per_s: int) -> list[Look]:
    """A look each second."""
    return [(float(at_s), waiting, at_s * per_s) for at_s in range(until_s + 1)]


@pytest.mark.parametrize(
    ("looks", "wait_s"),
    [
        pytest.param([(0.0, 50, 0)], 0.0, id="seen for the first time"),
        pytest.param(steady(5, waiting=20, per_s=4), 5.0, id="20 before it, 4 a second"),
        pytest.param([*steady(5, waiting=20, per_s=4), (6.0, 0, 40)], 0.0, id="nobody waits"),
        pytest.param([(0.0, 0, 0), (60.0, 0, 6), (61.0, 5, 7)], 0.0, id="a new queue after little to do"),
        pytest.param([(0.0, 0, 0), (60.0, 0, 6), (61.0, 5, 7), (62.0, 5, 17)], 0.5, id="only time with a queue"),
        pytest.param([(0.0, 3, 0), (1.0, 5, 0), (4.0, 9, 0)], 4.0, id="no first token since they wait"),
        pytest.param([*steady(30, waiting=20, per_s=10), *[(30.0 + at_s, 20, 300 + at_s) for at_s in range(1, 11)]],
                     20.0, id="slower for a window's length"),
        pytest.param([*steady(5, waiting=20, per_s=4), (6.0, 20, 1), (7.0, 20, 11)], 2.0, id="its count begins anew"),
        pytest.param([*steady(5, waiting=20, per_s=4), (5.0, 8, 20)], 2.0, id="twice at one time"),
    ],
)  # fmt: skip
def test_what_a_newcomer_would_wait(looks: list[Look], wait_s: float) -> None:
    """The queue over the rate of first tokens while there was one."""
    assert last(*looks) == pytest.approx(wait_s)


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 1000), st.integers(0, 1000)), min_size=1))
def test_it_is_always_a_time(looks: list[Look]) -> None:
    """Whatever was seen, in whatever order."""
    wait_s = last(*looks)
    assert 0.0 <= wait_s < float("inf")
