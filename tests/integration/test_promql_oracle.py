"""Our PromQL against a real Prometheus: the same generated series, the same instants, the same answers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import promql_parser as tree
import pytest

from opsbot.promql.evaluate import Instant, Span, evaluate
from opsbot.promql.functions import SUPPORTED_FUNCTIONS
from opsbot.promql.labelset import EMPTY, LabelSet
from opsbot.promql.node import prepared
from opsbot.promql.presence import presence
from opsbot.promql.samples import SampleStore
from opsbot.promql.support import AGGREGATIONS, OPERATORS
from opsbot.promql.syntax import MAX_EVALUATIONS, QueryError, num_evaluations, parse, result_type
from opsbot.promql.written import written
from tests.support.prometheus import prometheus
from tests.support.promql_expressions import Expressions
from tests.support.promql_queries import INSTANT_ONLY, QUERIES, REFUSED
from tests.support.promql_series import BASE_S, LAST_OF_D_S, filled, targets
from tests.support.remote_write import write

pytestmark = pytest.mark.integration

INSTANTS_S = (BASE_S + 47.0, BASE_S + 61.311, BASE_S - 1.0)
SPAN: Span = (BASE_S + 4.0, BASE_S + 94.0)
STEP_S = 10.0
EDGES = ["m_gauge", "timestamp(m_gauge)", "count_over_time(m_gauge[5m])", "rate(m_total[5m])", "absent(m_info)"]
NUM_RANDOM = 50
"""Random expressions of one seed."""

Answer = Mapping[LabelSet, float]


class Both:
    """Prometheus and our store, with the same samples."""

    def __init__(self, url: str, store: SampleStore, http: httpx.Client) -> None:
        self._url = url
        self._store = store
        self._http = http

    def at(self, text: str, time_s: float) -> tuple[Answer | None, Answer | None]:
        """Their answer and ours at one instant; None where it is an error."""
        return self._theirs_at(text, time_s), self._ours(text, time_s, (time_s, time_s))

    def answerable_at(self, text: str, time_s: float) -> tuple[set[LabelSet] | None, set[LabelSet] | None]:
        """For which labels there is data to answer *text*: as asked of Prometheus, and ours."""
        expr = parse(text)
        theirs = self._theirs_at(written(presence(prepared(expr))), time_s)
        try:
            ours = set(Instant(self._store, time_s).answerable(expr))
        except QueryError:
            ours = None
        return None if theirs is None else {labels.without_name() for labels in theirs}, ours

    def over(self, text: str, span: Span, step_s: float) -> Iterator[tuple[float, Answer | None, Answer | None]]:
        """Both at each step of a range query."""
        data = self._ask("query_range", query=text, start=span[0], end=span[1], step=step_s)
        times = [span[0] + index * step_s for index in range(round((span[1] - span[0]) / step_s) + 1)]
        ours = [self._ours(text, time_s, span) for time_s in times]
        if data is None:
            # An error at a step is one of the whole; so are series of different steps that end up with the same labels.
            yield from ((time_s, *self.at(text, time_s)) for time_s in times if None not in ours)
            return
        for time_s, answer in zip(times, ours, strict=True):
            theirs = {
                LabelSet.of(series["metric"]): float(value)
                for series in data["result"]
                for at_s, value in series["values"]
                if abs(at_s - time_s) < 1e-4
            }
            yield time_s, theirs, answer

    def _theirs_at(self, text: str, time_s: float) -> Answer | None:
        data = self._ask("query", query=text, time=time_s)
        if data is None:
            return None
        if data["resultType"] == "scalar":
            return {EMPTY: float(data["result"][1])}
        return {LabelSet.of(series["metric"]): float(series["value"][1]) for series in data["result"]}

    def _ours(self, text: str, time_s: float, span: Span) -> Answer | None:
        try:
            value = evaluate(parse(text), self._store, time_s, span)
        except QueryError:
            return None
        return {EMPTY: value} if isinstance(value, float) else dict(value)

    def _ask(self, what: str, **given: str | float) -> Any:
        form = {key: value if isinstance(value, str) else f"{value:.3f}" for key, value in given.items()}
        answer = self._http.post(f"{self._url}/api/v1/{what}", data=form)
        body = answer.json()
        assert answer.is_success or body["errorType"] == "execution", body
        return body.get("data")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """A real Prometheus and our store, filled with the same generated series."""
    found = targets(7)
    with prometheus(tmp_path_factory.mktemp("prometheus")) as url, httpx.Client(trust_env=False) as http:
        write(url, [(labels, target.points(labels)) for target in found for labels in target.series])
        yield Both(url, filled(SampleStore(), found), http)


@pytest.mark.parametrize("text", QUERIES + INSTANT_ONLY)
def test_our_answer_is_prometheus_answer(text: str, both: Both) -> None:
    """Every supported selector, function, aggregation and operator yields what Prometheus yields, and when."""
    for time_s in INSTANTS_S:
        theirs, ours = both.at(text, time_s)
        assert theirs is not None
        assert not _difference(theirs, ours), f"at {time_s}"
    for time_s, theirs, ours in () if text in INSTANT_ONLY else both.over(text, SPAN, STEP_S):
        assert theirs is not None
        assert not _difference(theirs, ours), f"at {time_s}"


@pytest.mark.parametrize("text", REFUSED)
def test_we_refuse_what_prometheus_refuses(text: str, both: Both) -> None:
    """A match of many to many, or two series that end up with the same labels, is an error on both sides."""
    assert both.at(text, BASE_S + 35.0) == (None, None)


@pytest.mark.parametrize("text", EDGES)
def test_samples_at_an_edge_count_on_both_sides(text: str, both: Both) -> None:
    """A range is closed on the left, and so is the lookback of a target that is gone without stale marks."""
    edge_s = LAST_OF_D_S + 300.0
    for time_s in (edge_s - 0.001, edge_s, edge_s + 0.001):
        theirs, ours = both.at(text, time_s)
        assert theirs is not None
        assert not _difference(theirs, ours), f"at {time_s}"


@pytest.mark.parametrize("seed", range(12))
def test_random_expressions_have_the_same_answers(seed: int, both: Both) -> None:
    """Whatever is built from what is supported: the same values, or an error on both sides."""
    expressions = Expressions(seed)
    for text in (expressions.any() for _ in range(NUM_RANDOM)):
        if num_evaluations(tree.parse(text)) > MAX_EVALUATIONS:
            continue
        for time_s, theirs, ours in both.over(text, SPAN, STEP_S):
            assert not _difference(theirs, ours), f"{text} at {time_s}"


@pytest.mark.parametrize("seed", range(12, 16))
def test_what_is_written_again_means_the_same(seed: int, both: Both) -> None:
    """An expression that was read and written again has the answer of the original, in Prometheus."""
    expressions = Expressions(seed)
    texts = [*QUERIES[seed % 4 :: 4], *(expressions.any() for _ in range(NUM_RANDOM))]
    for text in (text for text in texts if num_evaluations(tree.parse(text)) <= MAX_EVALUATIONS):
        again = written(prepared(parse(text)))
        for time_s in INSTANTS_S:
            first, second = both.at(text, time_s)[0], both.at(again, time_s)[0]
            assert not _difference(first, second), f"{text} became {again}"


@pytest.mark.parametrize("seed", range(16, 20))
def test_a_server_says_for_what_it_has_data(seed: int, both: Both) -> None:
    """The question for data, asked of Prometheus, has the answer that our own samples give, or more errors."""
    expressions = Expressions(seed)
    num_compared = 0
    texts = [*QUERIES[seed % 4 :: 4], *(expressions.any() for _ in range(NUM_RANDOM))]
    for text in (text for text in texts if num_evaluations(tree.parse(text)) <= MAX_EVALUATIONS):
        for time_s in INSTANTS_S:
            theirs, ours = both.answerable_at(text, time_s)
            if theirs is None or result_type(parse(text)) == "number":
                continue
            num_compared += 1
            assert theirs == ours, f"{text} at {time_s}"
    assert num_compared > 100


def test_sorting_is_prometheus_sorting(both: Both) -> None:
    """The order of an instant vector, which label sets do not show."""
    for text in ("sort(m_gauge)", "sort_desc(m_gauge)"):
        theirs, ours = both.at(text, BASE_S + 47.0)
        assert theirs is not None
        assert ours is not None
        assert list(ours) == list(theirs)


def test_everything_supported_is_compared() -> None:
    """Each function, aggregation and operator occurs among the queries that are compared."""
    text = "\n".join(QUERIES)
    assert set(re.findall(r"\w+", text)) >= SUPPORTED_FUNCTIONS | AGGREGATIONS
    assert {word for word in text.split() if word in OPERATORS} == OPERATORS


def _difference(theirs: Answer | None, ours: Answer | None) -> str:
    """What is not the same; empty if nothing."""
    if theirs is None or ours is None:
        return "" if theirs is ours else f"theirs {theirs}, ours {ours}"
    if theirs.keys() != ours.keys():
        return f"only theirs {theirs.keys() - ours.keys()}, only ours {ours.keys() - theirs.keys()}"
    wrong = [labels for labels, value in theirs.items() if not _is_same(ours[labels], value)]
    return "; ".join(f"{dict(labels)}: theirs {theirs[labels]}, ours {ours[labels]}" for labels in wrong)


def _is_same(ours: float, theirs: float) -> bool:
    return (math.isnan(ours) and math.isnan(theirs)) or math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-12)
