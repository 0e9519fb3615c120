"""The instants of a subquery and the window made of them."""

from __future__ import annotations

import pytest

from opsbot.promql.instants import instants, num_steps
from opsbot.promql.labelset import LabelSet
from opsbot.promql.matrix import samples
from opsbot.promql.subquery import window_of
from opsbot.promql.vector import Element

A, B = LabelSet.of({"__name__": "m", "id": "a"}), LabelSet.of({"__name__": "m", "id": "b"})


@pytest.mark.parametrize(
    ("start_s", "end_s", "step_s", "expected"),
    [
        (10.0, 16.0, 3.0, [12.0, 15.0]),
        (9.0, 15.0, 3.0, [9.0, 12.0, 15.0]),
        (-4.0, 2.0, 3.0, [-3.0, 0.0]),
        (10.1, 10.9, 1.0, []),
        (1_790_000_000.1, 1_790_000_000.4, 0.1, [1_790_000_000.1 + tenth / 10 for tenth in range(4)]),
    ],
)
def test_instants_are_multiples_of_the_step(start_s: float, end_s: float, step_s: float, expected: list[float]) -> None:
    """The edges included, to the millisecond."""
    found = instants(start_s, end_s, step_s)
    assert found == pytest.approx(expected, abs=1e-6)
    assert len(found) <= num_steps(end_s - start_s, step_s)


def test_a_series_is_stale_where_it_has_no_element() -> None:
    """And an instant at which nothing has one is no column."""
    window = window_of([1.0, 2.0, 3.0], [[Element(A, 5.0)], [], [Element(B, 7.0), Element(A, 6.0)]])
    assert window is not None
    assert [labels["id"] for labels in window.labels] == ["a", "b"]
    assert dict(window.nameless[0]) == {"id": "a"}
    assert samples(window, 0) == [(1.0, 5.0), (3.0, 6.0)]
    assert samples(window, 1) == [(3.0, 7.0)]


def test_nothing_at_all_is_no_window() -> None:
    """Neither without instants nor without elements."""
    assert window_of([], []) is None
    assert window_of([1.0], [[]]) is None
