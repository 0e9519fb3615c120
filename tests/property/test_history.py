"""Through any history of a sheet: what is thinned, packed, written and read back is a part of what was scraped."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsbot.history.codec import packed, packed_whole, unpacked, unpacked_whole
from opsbot.history.level import COARSE, FINE
from opsbot.history.thin import kept
from opsbot.promql.blocks import BlockSource
from opsbot.promql.evaluate import query
from opsbot.promql.samples import SampleStore
from opsbot.promql.sheet import STALE, Values, is_stale
from tests.support.history import MISSING, block, named, opened, points, series, written

START_S = 1_700_000_000.0
ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-5, 5).map(float) | st.just(MISSING)
GROWTH = st.integers(0, 5) | st.integers(0, 10_000)


@st.composite
def matrices(draw: st.DrawFn) -> Values:
    """Any samples at all."""
    rows, columns = draw(st.integers(0, 4)), draw(st.integers(1, 12))
    values = draw(st.lists(ANY_FLOAT, min_size=rows * columns, max_size=rows * columns))
    return np.array(values, dtype=np.float64).reshape(rows, columns)


@given(matrices())
def test_packing_loses_no_bit(values: Values) -> None:
    """Neither NaN, nor stale marks, nor the sign of zero."""
    found = unpacked(packed(values), *values.shape)
    assert found.view(np.uint64).tolist() == values.view(np.uint64).tolist()


@given(st.lists(st.integers(-(2**62), 2**62), max_size=20))
def test_times_and_numbers_come_back(numbers: list[int]) -> None:
    """Whatever they are."""
    found = np.array(numbers, dtype=np.int64)
    assert unpacked_whole(packed_whole(found), len(found)).tolist() == numbers


@st.composite
def counters(draw: st.DrawFn) -> tuple[list[float], Values]:
    """A counter scraped about once a second for some minutes; at most two falls or gaps in each 10 s."""
    num_steps = draw(st.integers(2, 30))
    times: list[float] = []
    values: list[float] = []
    value = float(draw(st.integers(0, 1000)))
    for step in range(num_steps):
        scrapes = sorted(draw(st.sets(st.integers(0, 9999), min_size=1, max_size=10)))
        events = draw(st.lists(st.sampled_from(scrapes), max_size=1, unique=True))
        for at in scrapes:
            value += draw(GROWTH)
            if at in events:
                value = float(draw(st.integers(0, 3)))
            times.append(START_S + step * 10 + at / 1000)
            values.append(value)
    return times, np.array([values])


def increase(values: Sequence[float]) -> float:
    """What a counter rose by, falls to zero counted as Prometheus does."""
    return sum(after if after < before else after - before for before, after in itertools.pairwise(values))


@settings(max_examples=300, deadline=None)
@given(counters(), st.sampled_from([10.0, 60.0]))
def test_a_counters_increase_survives_thinning(history: tuple[list[float], Values], step_s: float) -> None:
    """Between any two kept scrapes it is the increase over all scrapes, at 10 s exactly."""
    times, values = history
    columns = kept(times, values, np.array([True]), step_s).tolist()
    if step_s == COARSE.step_s:
        # Of a minute only the first falls are kept for sure.
        falls = [i for i in range(1, len(times)) if values[0, i] < values[0, i - 1]]
        minutes = [int(times[i] // 60) for i in falls]
        if len(minutes) > len(set(minutes)):
            return
    row = values[0].tolist()
    for first, last in itertools.pairwise(columns):
        assert increase([row[first], row[last]]) == increase(row[first : last + 1])


@given(counters(), st.sampled_from([10.0, 60.0]))
def test_each_step_keeps_its_last_scrape(history: tuple[list[float], Values], step_s: float) -> None:
    """And few others."""
    times, values = history
    columns = kept(times, values, np.array([True]), step_s).tolist()
    steps = [time_s // step_s for time_s in times]
    last_ones = [i for i in range(len(times)) if i == len(times) - 1 or steps[i + 1] != steps[i]]
    assert set(last_ones) <= set(columns)
    assert len(columns) <= 5 * len(last_ones)


@st.composite
def sheets(draw: st.DrawFn) -> tuple[list[float], list[list[float]]]:
    """Two series over up to three hours, a scrape each 10 s with gaps, as the fine level gets them."""
    num = draw(st.integers(2, 40))
    steps = sorted(draw(st.sets(st.integers(0, 1080), min_size=num, max_size=num)))
    rows = [draw(st.lists(ANY_FLOAT, min_size=num, max_size=num)) for _ in range(2)]
    return [START_S + 10 * step for step in steps], rows


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sheets(), st.integers(0, 4))
def test_what_is_written_is_read_back(history: tuple[list[float], list[list[float]]], hours: int) -> None:
    """Before and after hours are made small, bit by bit; the coarse level is the fine one thinned."""
    times, rows = history
    names = [series("m_total", x="1"), series("other", x="1")]
    whole = block(times, dict(zip(names, rows, strict=True)))
    with tempfile.TemporaryDirectory() as folder:
        file = opened(Path(folder))
        written(file, '["a"]', whole)
        while file.tidy(START_S + 3600 * hours):
            pass
        for one, row in zip(names, rows, strict=True):
            found = points(file.read(named(one["__name__"]), FINE, times[0], times[-1]), one)
            expected = [(t, v) for t, v in zip(times, row, strict=True) if np.float64(v).view(np.uint64) != STALE]
            assert [(t, np.float64(v).view(np.uint64)) for t, v in found] == [
                (t, np.float64(v).view(np.uint64)) for t, v in expected
            ]
        coarse = dict(points(file.read(named("other"), COARSE, times[0], times[-1]), names[1]))
        for minute, group in itertools.groupby(range(len(times)), lambda i: times[i] // 60):
            last = list(group)[-1]
            if not is_stale(np.array([rows[1][last]]))[0]:
                assert times[last] in coarse, minute
        assert set(coarse) <= set(times)
        file.close()


@settings(max_examples=40, deadline=None)
@given(counters(), st.sampled_from(["rate", "increase", "max_over_time", "avg_over_time", "delta", "last_over_time"]))
def test_evaluating_what_was_read_is_evaluating_the_thinned_series(
    history: tuple[list[float], Values], function: str
) -> None:
    """The same expression over a store that was only ever given the kept scrapes yields the same number."""
    times, values = history
    one = series("m_total")
    columns = kept(times, values, np.array([True]), FINE.step_s).tolist()
    thin = block([times[i] for i in columns], {one: [float(values[0, i]) for i in columns]})
    store = SampleStore(retention_s=math.inf)
    for column, time_s in enumerate(thin.times):
        store.sheet("a").append(time_s, thin.labels, [float(thin.values[0, column])])
    with tempfile.TemporaryDirectory() as folder:
        file = opened(Path(folder))
        written(file, '["a"]', thin)
        end_s = times[-1]
        source = BlockSource({named("m_total"): [b for _, b in file.read(named("m_total"), FINE, end_s - 300, end_s)]})
        file.close()
    text = f"{function}(m_total[4m])"
    found, expected = query(text, source, end_s), query(text, store, end_s)
    assert not isinstance(found, float)
    assert not isinstance(expected, float)
    assert [labels for labels, _ in found] == [labels for labels, _ in expected]
    assert [value for _, value in found] == pytest.approx([value for _, value in expected], rel=1e-12)
