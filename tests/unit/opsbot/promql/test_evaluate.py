"""Evaluation: what the oracle test cannot show, because it is about errors, edges and missing data."""

from __future__ import annotations

import math

import pytest

from opsbot.promql.evaluate import Instant, answerable, query
from opsbot.promql.functions import mean, quantile, total
from opsbot.promql.node import Call, prepared
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
        ("max_over_time((cache > 0.99)[2s:1s]) > 2", ["a", "b"]),
        ("rate(preempted[2s:1s]) > 99", ["a"]),
        ('absent_over_time(cache{cluster="a"}[2s:1s])', [""]),
        ("predict_linear(preempted[5s], 60) > 99", ["a"]),
        ("timestamp(cache) > 9999", ["a", "b", "c"]),
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
        "label_join(cache, 'cluster', ',', 'nothing')",
        "max_over_time((cache + on() queue)[5s:1s])",
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


def test_a_subquery_is_evaluated_at_multiples_of_its_step() -> None:
    """Since the epoch, the edges included, and every second where no step is given."""
    store = SampleStore()
    put(store, "m", {}, *((float(second), float(second)) for second in range(20)))
    assert [e.value for e in query("sum_over_time(m[6s:3s])", store, 16.5)] == [12.0 + 15.0]  # type: ignore[union-attr]
    assert [e.value for e in query("sum_over_time(m[6s:3s])", store, 15.0)] == [9.0 + 12.0 + 15.0]  # type: ignore[union-attr]
    assert [e.value for e in query("count_over_time(m[6s:])", store, 15.0)] == [7.0]  # type: ignore[union-attr]
    assert [e.value for e in query("sum_over_time(m[6s:3s] offset 5s)", store, 15.0)] == [6.0 + 9.0]  # type: ignore[union-attr]


def test_at_fixes_the_instant() -> None:
    """A selector with `@` has the value of then, also inside a subquery; an offset counts from there."""
    store = SampleStore()
    put(store, "m", {}, *((float(second), float(second)) for second in range(20)))
    expected = {"m @ 3": 3.0, "m @ 9 offset 2s": 7.0, "sum_over_time((m @ end())[2s:1s])": 36.0, "m @ start()": 12.0}
    assert {text: query(text, store, 12.0)[0].value for text in expected} == expected  # type: ignore[index]


@pytest.mark.parametrize("text", ["m @ -100", "m @ 1e12", "m @ 1e300", "m offset 100000y", "max_over_time(m[9s:290y])"])
def test_there_is_nothing_at_impossible_times(text: str) -> None:
    """Before the epoch, or when no calendar has a date: no data, and no error of the parser's."""
    store = SampleStore()
    put(store, "m", {}, (1000.0, 1.0))
    assert query(text, store, 1000.0) == []


def test_a_timestamp_is_the_samples() -> None:
    """Of a selector when it was scraped, of what is computed the time of evaluation."""
    store = SampleStore()
    put(store, "m", {}, (8.0, 1.0))
    expected = {"timestamp((m))": 8.0, "timestamp(m + 0)": 12.0, "timestamp(timestamp(m))": 12.0}
    assert {text: query(text, store, 12.0)[0].value for text in expected} == expected  # type: ignore[index]


def test_a_prediction_counts_from_now() -> None:
    """Not from the last sample, nor from the end of a range that lies back."""
    store = SampleStore()
    put(store, "m", {}, *((float(second), 2.0 * second) for second in range(10)))
    found = query("predict_linear(m[5s] offset 2s, 10)", store, 12.0)
    assert [e.value for e in found] == pytest.approx([44.0])  # type: ignore[union-attr]


def test_one_empty_side_hides_an_ambiguous_other() -> None:
    """Nothing can match, so nothing is ambiguous, as in Prometheus."""
    store = SampleStore()
    put(store, "m", {"a": "1"}, (1.0, 1.0))
    put(store, "m", {"a": "2"}, (1.0, 1.0))
    assert query("missing + on() m", store, 1.0) == []


def test_averages_of_huge_values_do_not_overflow() -> None:
    """Their sum would."""
    assert mean([1e308, 1e308]) == 1e308
    assert math.isnan(mean([math.inf, -math.inf]))
    assert mean([math.inf, 1.0]) == math.inf


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


def test_windows_are_kept_only_as_long_as_they_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What several functions ask of one range is the same whether the window is kept or looked up again."""
    store = SampleStore()
    points = [(NOW - second, float(second % 7)) for second in range(60, -1, -1)]
    put(store, "m", {"cluster": "a"}, *points)
    asked = [parse(f"{name}(m[{span}s])") for span in (10, 30, 60) for name in ("avg_over_time", "max_over_time")]
    kept = Instant(store, NOW)
    wanted = [kept.value(expr) for expr in asked]
    assert len(kept._values._known_windows) == 3
    monkeypatch.setattr("opsbot.promql.evaluate.MAX_WINDOWS_BYTES", 8 * 31)
    bounded = Instant(store, NOW)
    assert [bounded.value(expr) for expr in asked] == wanted
    last = prepared(asked[-1])
    assert isinstance(last, Call)
    assert list(bounded._values._known_windows) == list(last.arguments)
