"""Samples in memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opsbot.promql.evaluate import query
from opsbot.promql.samples import SampleStore
from tests.support.watching import put


def test_an_instant_selector_looks_back_five_minutes() -> None:
    """A value is current for exactly 300 s, that instant included, as in Prometheus 2."""
    store = SampleStore()
    put(store, "m", {}, (1000.0, 7.0))
    assert query("count(m) or vector(0)", store, 1300.0)[0].value == 1  # type: ignore[index]
    assert query("m", store, 1300.001) == []
    assert query("m", store, 999.999) == []


def test_a_stale_mark_ends_a_series_at_once() -> None:
    """What is marked stale is gone for instant selectors and is no sample for ranges."""
    store = SampleStore()
    put(store, "m", {}, (1000.0, 7.0), (1001.0, None))
    assert query("m", store, 1000.5) != []
    assert query("m", store, 1001.0) == []
    counted = query("count_over_time(m[5s])", store, 1001.0)
    assert [element.value for element in counted] == [1.0]  # type: ignore[union-attr]


def test_a_series_comes_back_after_being_stale() -> None:
    """A new sample after the mark is current again."""
    store = SampleStore()
    put(store, "m", {}, (1000.0, 7.0), (1001.0, None), (1002.0, 8.0))
    assert [element.value for element in query("m", store, 1002.0)] == [8.0]  # type: ignore[union-attr]


def test_memory_is_bounded_in_time() -> None:
    """After an hour at one sample a second, no more than the retention and a little is held."""
    store = SampleStore(retention_s=60.0)
    put(store, "m", {}, *((1000.0 + second, 1.0) for second in range(3600)))
    assert 60 <= store.num_samples <= 60 + 66
    counted = query("count_over_time(m[1m])", store, 4599.0)
    assert [element.value for element in counted] == [61.0]  # type: ignore[union-attr]


def test_memory_is_bounded_in_series() -> None:
    """A target that churns labels is cut off and counted; what is known goes on."""
    store = SampleStore(max_series=10)
    for number in range(50):
        put(store, "m", {"id": str(number)}, (1000.0, 1.0))
    put(store, "m", {"id": "3"}, (1001.0, 2.0))
    assert (store.num_series, store.num_refused) == (10, 40)
    assert [e.value for e in query('m{id="3"}', store, 1001.0)] == [2.0]  # type: ignore[union-attr]


def test_old_series_are_forgotten_and_make_room() -> None:
    """A series without a sample within the retention is dropped, its name too."""
    store = SampleStore(retention_s=60.0, max_series=1)
    put(store, "old", {}, (1000.0, 1.0))
    store.forget_older(1061.0)
    put(store, "new", {}, (1061.0, 1.0))
    assert store.names() == frozenset({"new"})
    assert store.num_series == 1


def test_a_stale_mark_makes_no_series() -> None:
    """Marking what was never seen holds no memory."""
    store = SampleStore()
    put(store, "m", {}, (1000.0, None))
    assert store.num_series == 0


@given(st.permutations([("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 4.0)]))
def test_the_order_of_arrival_of_series_does_not_matter(order: list[tuple[str, float]]) -> None:
    """The same samples in any order of series give the same sums and the same largest."""
    store = SampleStore()
    for name, value in order:
        put(store, "m", {"id": name}, (1000.0, value))
    assert [e.value for e in query("sum(m)", store, 1000.0)] == [10.0]  # type: ignore[union-attr]
    assert [e.labels["id"] for e in query("topk(1, m)", store, 1000.0)] == ["d"]  # type: ignore[union-attr]
