"""Our PromQL against a real Prometheus: the same generated series, the same instants, the same answers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import promql_parser as tree
import pytest

from opsbot.promql.evaluate import Span, evaluate
from opsbot.promql.functions import SUPPORTED_FUNCTIONS
from opsbot.promql.labelset import EMPTY, LabelSet
from opsbot.promql.samples import SampleStore
from opsbot.promql.support import AGGREGATIONS, OPERATORS
from opsbot.promql.syntax import MAX_EVALUATIONS, QueryError, num_evaluations, parse
from tests.support.prometheus import prometheus
from tests.support.promql_expressions import Expressions
from tests.support.promql_series import BASE_S, LAST_OF_D_S, filled, targets
from tests.support.remote_write import write

pytestmark = pytest.mark.integration

QUERIES = """
m_gauge
m_gauge{cluster="a"}
m_gauge{cluster!="a"}
m_gauge{cluster=~"a|b"}
m_gauge{cluster!~"a.*"}
m_gauge offset 3s
-m_gauge
rate(m_total[10s])
increase(m_total[10s])
irate(m_total[10s])
delta(m_gauge[10s])
idelta(m_gauge[10s])
deriv(m_gauge[10s])
rate(m_reset_total[12s])
increase(m_reset_total[12s] offset 2s)
resets(m_reset_total[12s])
changes(m_gauge[10s])
avg_over_time(m_gauge[8s])
min_over_time(m_gauge[8s])
max_over_time(m_gauge[8s])
sum_over_time(m_gauge[8s])
count_over_time(m_gauge[8s])
last_over_time(m_gauge[8s])
present_over_time(m_gauge[8s])
stddev_over_time(m_gauge[8s])
stdvar_over_time(m_gauge[8s])
quantile_over_time(0.9, m_gauge[8s])
abs(m_gauge - 5)
ceil(m_gauge)
floor(m_gauge)
round(m_gauge)
round(m_gauge, 0.5)
exp(m_gauge / 10)
ln(m_gauge + 1)
sqrt(m_gauge)
clamp(m_gauge, 2, 6)
clamp_min(m_gauge, 4)
clamp_max(m_gauge, 4)
histogram_quantile(0.5, m_bucket)
histogram_quantile(0.95, rate(m_bucket[10s]))
histogram_quantile(0.9, sum by (le) (rate(m_bucket[10s])))
absent(m_missing)
absent(m_missing{cluster="z"})
absent(m_gauge)
absent_over_time(m_missing{cluster="z"}[5s])
scalar(sum(m_gauge))
scalar(m_gauge)
vector(3)
label_replace(m_gauge, "area", "z-$1", "cluster", "(.*)")
sum(m_gauge)
sum by (cluster) (m_gauge)
sum without (cluster) (m_gauge)
avg(m_gauge)
min(m_gauge)
max(m_gauge)
count(m_gauge)
group(m_gauge)
stddev(m_gauge)
stdvar(m_gauge)
quantile(0.5, m_gauge)
topk(2, m_gauge)
bottomk(1, m_gauge)
m_gauge + 1
2 * m_gauge
m_gauge / 0
m_gauge % 3
m_gauge ^ 2
m_gauge + m_gauge
m_gauge > 4
4 < m_gauge
m_gauge > bool 4
m_gauge == m_gauge
m_gauge * on(cluster) group_left(tier) m_info
m_constant * on(cluster) m_info
m_gauge and m_info
m_gauge and on(cluster) m_info
m_gauge unless on(cluster) m_info
m_gauge or m_info
m_gauge > 2 and rate(m_total[10s]) > 0
sum(rate(m_total[5s])) == 0
1 + 2 * 3
1 > bool 2
(m_gauge)
rate((m_total[10s]))
m_gauge * on(cluster) group_left m_info
m_info * on(cluster) group_right m_gauge
m_gauge < on(cluster) group_left(tier) (m_info * 5)
m_gauge ^ -0.5
clamp(m_gauge - m_gauge / 0 * 0, 2, 6)
exp(m_gauge * 300)
round(m_gauge, 0)
min_over_time(m_odd[10s])
max_over_time(m_odd[10s])
sum_over_time(m_odd[10s])
avg_over_time(m_odd[10s])
changes(m_odd[10s])
quantile_over_time(0.5, m_odd[10s])
sum(m_odd)
min(m_odd)
max(m_odd)
avg(m_odd)
quantile(0.5, m_odd)
topk(1, m_gauge) by (cluster)
histogram_quantile(0, m_bucket)
histogram_quantile(1, m_bucket)
histogram_quantile(-1, m_gauge)
histogram_quantile(0.5, m_gauge)
absent(m_missing{cluster="z",cluster!="y"})
absent(sum(m_missing))
label_replace(m_gauge, "area", "${1}$$x$9", "cluster", "(a|b)")
label_replace(m_gauge, "cluster", "", "cluster", "a")
m_gone
m_gone offset 6s
count_over_time(m_gone[1m])
sum by (cluster, missing) (m_gauge)
scalar(m_missing) > bool 1
stddev(m_odd)
{__name__=~"m_g.*"}
m_gauge{cluster=""}
m_gauge{missing=""}
deriv(m_reset_total[9s])
idelta(m_reset_total[9s])
sort(m_gauge)
sort_desc(m_gauge)
time() - time()
sum(m_gauge) by (cluster) > 3 unless on() absent(m_total)
m_gauge offset -3s
m_gauge @ 1790000020
m_gauge @ start()
rate(m_total[10s] @ end() offset 5s)
rate(m_total[10s] offset -5s)
last_over_time(m_gauge[10s])
delta(m_late[30s])
predict_linear(m_gauge[20s], 60)
predict_linear(m_total[20s] offset 7s, 60)
predict_linear(m_constant[20s], 1)
predict_linear(m_odd[20s], 1)
predict_linear(m_once[1m], 1)
deriv(m_odd[20s])
deriv(m_constant[20s])
quantile_over_time(2, m_gauge[10s])
quantile_over_time(scalar(m_missing), m_gauge[10s])
sgn(m_odd)
log2(m_gauge)
log10(m_odd)
ln(m_odd)
timestamp(m_gauge)
timestamp((m_late))
timestamp(m_gauge offset 4s)
timestamp(m_gauge @ 1790000020)
timestamp(m_gauge + 0)
timestamp(m_gone)
time()
vector(time())
vector(scalar(m_missing))
label_join(m_gauge, "both", "-", "cluster", "zone", "missing")
label_join(m_gauge, "cluster", "", "zone", "cluster")
label_join(m_gauge, "missing", "", "missing")
label_join(m_gauge, "__name__", "_", "__name__", "zone")
label_join(m_gauge, "nothing", ",")
label_replace(m_gauge, "__name__", "x_$1", "zone", "(.*)")
max_over_time(m_gauge[10s:1s])
max_over_time(m_gauge[10s:3s])
count_over_time(m_gauge[10s:])
count_over_time(m_gone[1m:7s])
count_over_time(m_flapping[20s:1s])
avg_over_time(rate(m_total[5s])[20s:2s])
rate(m_total[20s:3s])
increase(m_reset_total[20s:3s] offset 5s)
deriv(sum by (cluster) (m_gauge)[20s:3s])
max_over_time((m_gauge > 4)[15s:1s])
sum_over_time(vector(time())[10s:3s])
last_over_time(m_gauge[10s:3s])
max_over_time(m_gauge[10s:3s] @ 1790000033.5)
max_over_time(m_gauge[10s:3s] @ start() offset 2s)
sum_over_time((m_gauge @ end())[10s:3s])
sum_over_time(sum_over_time(m_gauge[5s:1s])[10s:2s])
absent_over_time(m_missing{cluster="z"}[10s:1s])
absent_over_time(sum(m_gone)[10s:1s])
absent_over_time(m_gone[10s])
quantile_over_time(0.3, m_gauge[10s:1s])
predict_linear(m_gauge[20s:2s] offset 3s, 30)
present_over_time(m_once[30s:1s])
changes(m_flapping[30s])
resets(m_reset_total[30s:2s])
stddev_over_time(m_odd[10s])
stdvar_over_time(m_gauge[10s:2s])
histogram_quantile(0.371, m_open_bucket)
histogram_quantile(0.371, m_negative_bucket)
histogram_quantile(0.037, m_negative_bucket)
histogram_quantile(0.371, m_twice_bucket)
histogram_quantile(0.371, m_odd_bucket)
histogram_quantile(0.571, m_torn_bucket)
histogram_quantile(0.571, sum by (le) (m_torn_bucket))
histogram_quantile(scalar(m_missing), m_bucket)
histogram_quantile(0.371, sum by (le, cluster) (rate(m_bucket[20s])))
m_gauge - ignoring(zone) group_left m_constant
m_gauge - ignoring(zone) group_left(tier, missing) m_info
m_info + on(cluster) group_right(tier) m_gauge
m_constant >= bool on(cluster) m_info
m_gauge > bool on(cluster) group_left(tier) m_info
m_gauge == bool m_gauge
m_gauge != m_gauge
m_odd == m_odd
m_odd != m_odd
m_gauge >= 4
m_gauge <= 4
m_gauge != bool 4
4 >= bool m_gauge
m_gauge and ignoring(zone) m_info
m_gauge or on(cluster) m_constant
m_gauge unless ignoring(zone, tier) m_info
m_gauge or on() vector(1)
vector(1) unless on() m_gauge
m_missing + on() m_gauge
m_gauge % -3
m_gauge % 0
m_odd % 2
2 ^ m_odd
m_odd ^ 2
0 / m_gauge
m_odd / m_odd
+m_gauge
-m_odd
1 / 0
-1 / 0
5 % 3
2 ^ 3 ^ 2
sum without () (m_gauge)
sum by () (m_gauge)
sum(m_odd) by (zone)
avg(m_odd) by (zone)
topk(0, m_gauge)
topk(9, m_gauge)
topk(scalar(count(m_constant) or vector(1)), m_gauge)
bottomk(2, m_gauge) without (zone)
quantile(-1, m_gauge)
quantile(scalar(m_missing), m_gauge)
quantile by (zone) (0.75, m_odd)
stddev by (cluster) (m_gauge)
stdvar without (zone) (m_flapping)
count by (cluster) (m_flapping)
group by (zone) (m_odd)
clamp(m_gauge, 6, 2)
clamp(m_odd, -1, 1)
clamp_min(m_odd, 0)
clamp_max(m_gauge, scalar(m_missing))
abs(m_odd)
ceil(m_odd)
round(m_odd)
round(m_gauge, 0.1)
m_once
m_late
m_flapping
absent(m_once)
{cluster="a",__name__=~"m_(gauge|total)"}
m_gauge{cluster=~"[ab]",zone!="y"}
m_gauge{zone=~".+",missing!~".+"}
""".strip().splitlines()
REFUSED = """
m_gauge + on() m_total
m_info * on(tier) group_left m_gauge
m_gauge * on(cluster) m_info
m_gauge + on(cluster) m_gauge
m_gauge * on(cluster) group_left m_total
m_info * on(cluster) group_right(zone) m_gauge
m_gauge * on(cluster) group_left(zone) m_constant
rate({__name__=~"m_total|m_reset_total"}[10s])
label_replace(m_gauge, "zone", "", "cluster", ".*")
label_join(m_gauge, "zone", "", "missing")
topk(scalar(m_missing), m_gauge)
-{__name__=~"m_total|m_reset_total"}
sum_over_time({__name__=~"m_total|m_reset_total"}[10s:2s])
""".strip().splitlines()
INSTANTS_S = (BASE_S + 47.0, BASE_S + 61.311, BASE_S - 1.0)
SPAN: Span = (BASE_S + 4.0, BASE_S + 94.0)
STEP_S = 10.0
EDGES = ["m_gauge", "timestamp(m_gauge)", "count_over_time(m_gauge[5m])", "rate(m_total[5m])", "absent(m_info)"]
NUM_RANDOM = 50
"""Random expressions of one seed."""

INSTANT_ONLY = ["predict_linear(m_total[20s] @ 1790000030, -10)"]
"""In a range query Prometheus 2.42 moves such a range along with the steps."""

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
