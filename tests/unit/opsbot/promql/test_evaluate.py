"""Evaluation: what the oracle test cannot show, because it is about errors, edges and missing data."""

from __future__ import annotations

import math

import pytest

from opsbot.promql.evaluate import answerable, query
from opsbot.promql.functions import quantile, total
from opsbot.promql.histogram import bucket_quantile
from opsbot.promql.samples import SampleStore
from opsbot.promql.syntax import QueryError, parse
from tests.support.watching import put

NOW = 1000.0


@pytest.fixture
def store() -> SampleStore:
    """Two clusters; `b` has no queue, and `c`'s cache is not a number."""
    store = SampleStore()
    for cluster, value in (("a", 0.9), ("b", 0.5), ("c", math.nan)):
        put(store, "cache", {"cluster": cluster}, (NOW, value))
    put(store, "queue", {"cluster": "a"}, (NOW, 3.0))
    put(store, "preempted", {"cluster": "a"}, (NOW - 2, 1.0), (NOW - 1, 2.0), (NOW, 3.0))
    put(store, "preempted", {"cluster": "b"}, (NOW, 3.0))
    return store


def clusters(store: SampleStore, text: str) -> list[str]:
    """The clusters for which there is data to answer *text*."""
    return sorted(dict(labels).get("cluster", "") for labels in answerable(parse(text), store, NOW))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cache > 0.99", ["a", "b"]),
        ("cache < 0.1 and queue < 1", ["a"]),
        ("cache > 0.99 or queue > 99", ["a", "b"]),
        ("cache > 0.99 unless queue < 99", ["a", "b"]),
        ("rate(preempted[5s]) > 99", ["a"]),
        ("cache > 0.99 and rate(preempted[5s]) > 99", ["a"]),
        ("topk(1, cache) > 2", ["a", "b"]),
        ("sum by (cluster) (queue > 99)", ["a"]),
        ("sum(queue) > 99", [""]),
        ("cache > scalar(missing)", []),
        ("missing > 1", []),
        ('absent(cache{cluster="a"})', ["a"]),
        ("cache > bool 2", ["a", "b", "c"]),
    ],
)
def test_data_to_answer_a_question_is_told_from_the_answer(store: SampleStore, text: str, expected: list[str]) -> None:
    """What a comparison drops is answerable; what is missing, not a number, or too young for a rate is not."""
    assert clusters(store, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "cache + on() queue",
        "queue * on() group_left cache",
        "{cluster='a'} + 1",
        "count_over_time({__name__=~'preempted|cache'}[5s])",
        "topk(scalar(missing), cache)",
        "cache[5s]",
        "'text'",
        "rate((cache offset 1s)[5s])",
    ],
)
def test_what_has_no_value_is_an_error(store: SampleStore, text: str) -> None:
    """Ambiguous matches, equal labels and values of another kind raise, never yield an arbitrary answer."""
    with pytest.raises(QueryError):
        query(text, store, NOW)


def test_a_rate_is_corrected_for_a_reset() -> None:
    """A counter that fell has been reset: what it had before counts."""
    store = SampleStore()
    put(store, "m", {}, (0.0, 10.0), (1.0, 20.0), (2.0, 5.0), (3.0, 15.0))
    assert [e.value for e in query("increase(m[3s])", store, 3.0)] == [25.0]  # type: ignore[union-attr]


def test_a_window_includes_its_start() -> None:
    """A sample exactly at the start counts, as in Prometheus 2, whatever the float says."""
    store = SampleStore()
    put(store, "m", {}, (1_790_000_000.1, 1.0), (1_790_000_010.1, 1.0))
    counted = query("count_over_time(m[10s])", store, 1_790_000_010.1)
    assert [e.value for e in counted] == [2.0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("replacement", "expected"),
    [("$1-x", "a-x"), ("${1}1", "a1"), ("$11", ""), ("$$1", "$1"), ("$nothing.", "."), ("", "")],
)
def test_label_replace_expands_like_go(store: SampleStore, replacement: str, expected: str) -> None:
    """`$11` is group eleven, `$$` a dollar, and what does not exist is empty."""
    found = query(f'label_replace(queue, "to", "{replacement}", "cluster", "(.)")', store, NOW)
    assert [e.labels.get("to", "") for e in found] == [expected]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("q", "buckets", "expected"),
    [
        (0.5, [(1.0, 0.0), (2.0, 10.0), (math.inf, 10.0)], 1.5),
        (1.0, [(1.0, 5.0), (math.inf, 10.0)], 1.0),
        (0.5, [(-1.0, 10.0), (math.inf, 10.0)], -1.0),
        (-0.1, [(1.0, 5.0), (math.inf, 10.0)], -math.inf),
        (1.1, [(1.0, 5.0), (math.inf, 10.0)], math.inf),
        (0.5, [(1.0, 5.0)], math.nan),
        (0.5, [(math.inf, 5.0)], math.nan),
        (0.5, [(1.0, 0.0), (math.inf, 0.0)], math.nan),
        (0.0, [(1.0, 0.0), (2.0, 4.0), (math.inf, 4.0)], math.nan),
        (math.nan, [(1.0, 5.0), (math.inf, 10.0)], math.nan),
    ],
)
def test_histogram_quantiles_at_the_edges(q: float, buckets: list[tuple[float, float]], expected: float) -> None:
    """Empty, open and one-bucket histograms answer what Prometheus answers."""
    assert bucket_quantile(q, buckets) == pytest.approx(expected, nan_ok=True)


def test_the_same_bound_written_twice_is_one_bucket() -> None:
    """`le="1"` and `le="1.0"` of two replicas are added."""
    assert bucket_quantile(0.5, [(1.0, 2.0), (1.0, 2.0), (2.0, 8.0), (math.inf, 8.0)]) == 1.0


def test_a_torn_histogram_is_made_monotone() -> None:
    """A bucket that is behind its smaller neighbour counts as much as that one."""
    assert bucket_quantile(0.5, [(1.0, 6.0), (2.0, 5.0), (math.inf, 8.0)]) == pytest.approx(4 / 6)


def test_infinite_values_do_not_break_sums() -> None:
    """Infinities of both signs make NaN, one makes itself, and huge values overflow to it."""
    assert math.isnan(total([math.inf, -math.inf]))
    assert total([math.inf, 1.0]) == math.inf
    assert total([1e308, 1e308]) == math.inf
    assert total([0.1] * 10) == 1.0


def test_quantiles_put_nan_first() -> None:
    """NaN sorts below everything, as in Prometheus."""
    assert quantile(1.0, [2.0, math.nan, 1.0]) == 2.0
    assert math.isnan(quantile(0.0, [2.0, math.nan, 1.0]))
