"""Recorded series written out: the text asks for the same as the recorded series would answer."""

from __future__ import annotations

import pytest

from opsbot.promql.evaluate import Instant, query
from opsbot.promql.inlined import MAX_NODES, Recorded, inlined
from opsbot.promql.labelset import LabelSet
from opsbot.promql.node import prepared
from opsbot.promql.samples import SampleStore
from opsbot.promql.syntax import QueryError, parse
from opsbot.promql.written import written
from opsbot.rule.model import RecordingRule
from opsbot.watch.question import recorded_series
from opsbot.watch.recorder import Recorder
from tests.support.watching import put

NOW = 1000.0


def recording(name: str, expr: str, **labels: str) -> RecordingRule:
    """A rule that records."""
    return RecordingRule(name, parse(expr), labels, "f.yaml", 1, 1)


RULES = [
    recording("r:sum", "sum by (cluster) (m)"),
    recording("r:double", "r:sum * 2", kind="x$1"),
    recording("r:double", "r:sum * 3", kind="y"),
    recording("r:one", "1"),
    recording("r:then", "r:sum offset 3s"),
]


def store() -> SampleStore:
    """Ten samples of three series, and what was recorded of them at each second."""
    found = SampleStore()
    recorder = Recorder(found)
    for second in range(11):
        at = NOW - 10 + second
        for cluster, instance in (("a", "1"), ("a", "2"), ("b", "1")):
            put(found, "m", {"cluster": cluster, "instance": instance}, (at, second * (2.0 if cluster == "b" else 1.0)))
        recorder.record(RULES, Instant(found, at), at)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "r:sum",
        "r:sum > 10",
        "r:sum offset 4s",
        "r:sum @ 995",
        'r:sum{cluster="a"}',
        'r:sum{cluster!="a"}',
        'r:sum{cluster=~"b|c"}',
        'r:sum{cluster!~"b.*"}',
        'r:sum{none="",cluster="b"}',
        "r:double",
        'r:double{kind="x$1"} offset 2s',
        'r:double{kind=~"y|z",cluster="a"}',
        "r:one",
        "r:then",
        "r:then offset 2s",
        "max_over_time(r:sum[5s])",
        "deriv(r:sum[5s] offset 2s)",
        "rate(r:double[6s])",
        "sum(r:double) / on () sum(r:sum)",
        "count_over_time(r:sum[4s:2s])",
        "topk(1, r:sum) unless on (cluster) r:sum{cluster=\"b\"} offset 5s",
    ],
)  # fmt: skip
def test_it_asks_for_the_same(text: str) -> None:
    """Without any recorded name; what metrics are called is the only difference."""
    samples = store()
    again = written(inlined(prepared(parse(text)), recorded_series(RULES), 1.0))
    assert "r:" not in again

    def answer(asked: str) -> dict[LabelSet, float]:
        found = query(asked, samples, NOW)
        assert isinstance(found, list)
        assert found
        return {element.labels.without_name(): element.value for element in found}

    assert answer(again) == pytest.approx(answer(text))


def test_an_expression_that_grows_without_end_is_refused() -> None:
    """Forty series, each twice the one before, would be a million million parts."""
    rules = [recording("r:0", "m"), *(recording(f"r:{n}", f"r:{n - 1} + r:{n - 1}") for n in range(1, 40))]
    with pytest.raises(QueryError, match="too long for a server"):
        inlined(prepared(parse("r:39")), recorded_series(rules), 1.0)
    assert MAX_NODES < 10_000


def test_time_itself_is_moved_too() -> None:
    """`time()` in a recorded series, asked with an offset."""
    made = {"r:age": [Recorded(prepared(parse("time() - m")), LabelSet.of({}))]}
    samples = SampleStore()
    put(samples, "m", {}, (NOW - 100, 5.0), (NOW - 50, 6.0))
    for text, expected in (("r:age offset 90s", NOW - 90 - 5), ("r:age @ 920", 915.0)):
        found = query(written(inlined(prepared(parse(text)), made, 1.0)), samples, NOW)
        assert isinstance(found, list)
        assert [element.value for element in found] == [expected]
