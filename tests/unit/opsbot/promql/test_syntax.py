"""What PromQL is accepted, and how the rest is refused."""

from __future__ import annotations

import pytest

from opsbot.promql.syntax import QueryError, metric_names, parse, result_type


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("histogram_count(m)", "the function 'histogram_count' is not supported; supported are abs, absent, "),
        ("holt_winters(m[5m], 0.1, 0.1)", "the function 'holt_winters' is not supported; supported are abs, absent, "),
        ("ratee(m[5m])", "the function 'ratee' is not supported, did you mean 'rate'?"),
        ("count_values('v', m)", "the aggregation 'count_values' is not supported; supported are avg, bottomk, "),
        ("m atan2 m", "the operator 'atan2' is not supported; supported are !=, %, *, +, "),
        ("m + fill(0) n", "the modifier 'fill' is not supported; supported are bool, "),
        ("rate(m{a='b' or c='d'}[5m])", "'or' between matchers is not supported; write 'or' between two selectors"),
        ("m[1h:1s]", "the subqueries take 3601 evaluations; 500 are allowed: a longer step takes fewer"),
        ("m[20m:]", "the subqueries take 1201 evaluations"),
        ("rate(sum_over_time(m[1m:1s])[20m:1m])", "the subqueries take 1302 evaluations"),
        ("rate(m[10m:1s]) + rate(m[10m:1s])", "the subqueries take 1202 evaluations"),
        ("(1)[5m:1m]", "subquery is only allowed on vector"),
        ("m @ NaN", "timestamp out of bounds"),
        ("rate(m)", "expected type matrix in call to function 'rate'"),
        ("m >", "not valid PromQL: something must follow `>`"),
        ("m = 1", "not valid PromQL: `=` does not compare; write `==`"),
        ("m{a='b'} n", "not valid PromQL: an operator, or one of its sides, is missing"),
        ("", "no expression found"),
        ("1 > 2", "comparisons between scalars must use BOOL"),
        ("m{a=~'('}", "illegal regex"),
        ("m{a=~'[[:alpha:]]'}", "is not supported by the own scraper"),
        ("m{a=~'b(?i)c'}", "cannot be used"),
        ("m{a=~'" + "a" * 501 + "'}", "more than 500 characters"),
        ("label_replace(m, '9', '$1', 'a', '(.*)')", "'9' is no label name"),
        ("label_replace(m, 'a', '$1', 'a', '(')", "cannot be used"),
        ("label_join(m, 'a-b', ',', 'c')", "label_join: 'a-b' is no label name"),
        ("label_join(m, 'a', ',', 'c', '')", "label_join: '' is no label name"),
        ("label_join(m, ('a'), ',', 'c')", "label_join needs plain strings"),
        ("label_replace(m, ('a'), '$1', 'a', 'b')", "needs plain strings"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(text: str, message: str) -> None:
    """Nothing is evaluated to something else than Prometheus would."""
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["(" * 40 + "m" + ")" * 40, "abs(" * 40 + "m" + ")" * 40, "m" + " + m" * 150, "m and " * 400 + "m", "(" * 100_000],
    ids=["parentheses", "calls", "chain", "length", "open"],
)
def test_a_query_cannot_end_the_process(text: str) -> None:
    """The parser recurses on the C stack, so nesting and length are bounded before it."""
    with pytest.raises(QueryError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("m > 1", "vector"),
        ("(m)", "vector"),
        ("vector(1)", "vector"),
        ("1 + 2", "number"),
        ("-(1)", "number"),
        ("time() - 5", "number"),
        ("scalar(m) * 2", "number"),
        ("scalar(m) * m", "vector"),
        ("m[5s]", "range"),
        ("m[5s:1s]", "range"),
        ("'text'", "text"),
    ],
)
def test_the_kind_of_a_result_is_known_before_evaluating(text: str, kind: str) -> None:
    """A rule needs a vector, and is told so when it is loaded."""
    assert result_type(parse(text)) == kind


def test_metric_names_are_found_in_every_corner() -> None:
    """Ranges, arguments, both sides, and parameters."""
    text = "topk(scalar(max_over_time(a[9s:3s])), sum by (x) (rate(b[5s]))) > c or absent(vllm:d) unless {__name__='e'}"
    assert metric_names(parse(text)) == frozenset({"a", "b", "c", "vllm:d"})
