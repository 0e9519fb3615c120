"""Parses PromQL and refuses, by name, what the embedded evaluator does not have."""

from __future__ import annotations

from collections.abc import Iterator

import promql_parser as tree

from opsbot.errors import SourceError
from opsbot.promql.functions import SUPPORTED_FUNCTIONS
from opsbot.promql.samples import NAME, Matcher

AGGREGATIONS = frozenset(
    {"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile", "topk", "bottomk"}
)
_OPERATORS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}
"""By the operators' text: the parser's own values cannot be keys."""


class QueryError(SourceError):
    """A query cannot be parsed, or uses something that is not supported."""


def parse(text: str) -> tree.Expr:
    """The syntax tree of *text*.

    Raises: QueryError naming what is wrong or not supported.
    """
    try:
        expr = tree.parse(text)
    except ValueError as error:
        raise QueryError(f"not valid PromQL: {error}") from error
    for node in walk(expr):
        if isinstance(node, tree.Call) and node.func.name not in SUPPORTED_FUNCTIONS:
            raise QueryError(f"the function {node.func.name} is not supported by the own scraper; see docs/metrics.md")
        if isinstance(node, tree.AggregateExpr) and str(node.op) not in AGGREGATIONS:
            raise QueryError(f"the aggregation {node.op} is not supported by the own scraper; see docs/metrics.md")
        if isinstance(node, tree.SubqueryExpr):
            raise QueryError("subqueries are not supported by the own scraper; see docs/metrics.md")
        if isinstance(node, tree.VectorSelector | tree.MatrixSelector) and _selector(node).at is not None:
            raise QueryError("the @ modifier is not supported by the own scraper; see docs/metrics.md")
    return expr


def walk(expr: tree.Expr) -> Iterator[tree.Expr]:
    """Every node of a tree, from the top."""
    yield expr
    match expr:
        case tree.BinaryExpr():
            yield from walk(expr.lhs)
            yield from walk(expr.rhs)
        case tree.AggregateExpr():
            yield from walk(expr.expr)
            if expr.param is not None:
                yield from walk(expr.param)
        case tree.Call():
            for argument in expr.args:
                yield from walk(argument)
        case tree.ParenExpr() | tree.UnaryExpr():
            yield from walk(expr.expr)


def selectors(expr: tree.Expr) -> list[tree.VectorSelector]:
    """Every vector selector of a tree, those inside ranges too."""
    return [_selector(node) for node in walk(expr) if isinstance(node, tree.VectorSelector | tree.MatrixSelector)]


def matchers(selector: tree.VectorSelector) -> list[Matcher]:
    """A selector's matchers, its name among them."""
    found = [Matcher(m.name, _OPERATORS[str(m.op)], m.value) for m in selector.matchers.matchers]
    if selector.name is not None:
        found.append(Matcher(NAME, "=", selector.name))
    return found


def metric_names(expr: tree.Expr) -> frozenset[str]:
    """The metric names that a tree asks for."""
    return frozenset(s.name for s in selectors(expr) if s.name is not None)


def _selector(node: tree.VectorSelector | tree.MatrixSelector) -> tree.VectorSelector:
    return node.vector_selector if isinstance(node, tree.MatrixSelector) else node
