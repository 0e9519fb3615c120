"""Range functions over many series at once against the same functions sample by sample."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.promql.functions import RANGE_FUNCTIONS, Bounds
from opsbot.promql.labelset import LabelSet
from opsbot.promql.matrix import MATRIX_FUNCTIONS, over_windows
from opsbot.promql.sheet import STALE, Window

START_S = 1_790_000_000.0
ODD = [math.nan, math.inf, -math.inf]

number = st.one_of(
    st.integers(-3, 9).map(float), st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), st.sampled_from(ODD)
)


@st.composite
def windows(draw: st.DrawFn) -> list[list[float | None]]:
    """Up to three series over the same times; None is a stale mark."""
    length = draw(st.integers(1, 6))
    row = st.lists(st.one_of(number, st.none()), min_size=length, max_size=length)
    return draw(st.lists(row, min_size=1, max_size=3))


def window_of(rows: list[list[float | None]]) -> Window:
    """A window with these samples, a second apart."""
    values = np.full((len(rows), len(rows[0])), STALE).view(np.float64)
    for index, row in enumerate(rows):
        for column, value in enumerate(row):
            if value is not None:
                values[index, column] = value
    labels = tuple(LabelSet.of({"id": str(index)}) for index in range(len(rows)))
    return Window(labels, labels, [START_S + second for second in range(len(rows[0]))], values)


def is_same(one: float | None, other: float | None) -> bool:
    """Equal as far as the order of additions allows."""
    if one is None or other is None:
        return one is other
    return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)


@pytest.mark.parametrize("name", sorted(MATRIX_FUNCTIONS))
@settings(deadline=None)
@given(rows=windows())
def test_many_series_at_once_yield_what_each_yields_alone(name: str, rows: list[list[float | None]]) -> None:
    """Whatever the values, resets, infinities, NaN and gaps."""
    bounds = Bounds(START_S - 0.5, START_S + len(rows[0]))
    pairs = [[(START_S + second, value) for second, value in enumerate(row) if value is not None] for row in rows]
    expected = [RANGE_FUNCTIONS[name](one, bounds) for one in pairs]
    found = over_windows(name, window_of(rows), bounds)
    assert all(is_same(*pair) for pair in zip(found, expected, strict=True)), (found, expected)


def test_an_average_of_equal_values_is_that_value() -> None:
    """Rounding must not lift it above a rule's level."""
    rows: list[list[float | None]] = [[0.9] * 60]
    assert over_windows("avg_over_time", window_of(rows), Bounds(START_S - 1, START_S + 60)) == [0.9]
