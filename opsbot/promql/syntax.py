"""Parses PromQL and refuses, by name, what the embedded evaluator does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import promql_parser as tree

from opsbot.errors import SourceError
from opsbot.promql.functions import SUPPORTED_FUNCTIONS
from opsbot.promql.labelset import NAME
from opsbot.promql.matcher import Matcher
from opsbot.promql.pattern import PatternError, compiled

ResultType = Literal["vector", "number", "range", "text"]

MAX_QUERY = 2_000
MAX_DEPTH = 32
MAX_TREE_DEPTH = 100

AGGREGATIONS = frozenset(
    {"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile", "topk", "bottomk"}
)
OPERATORS = frozenset(["+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"])
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MATCH_OPERATORS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}
"""By the operators' text: the parser's own values cannot be keys."""


class QueryError(SourceError):
    """A query cannot be parsed, or uses something that is not supported."""


def parse(text: str) -> tree.Expr:
    """The syntax tree of *text*.

    Raises: QueryError naming what is wrong or not supported.
    """
    _limit(text)
    try:
        expr = tree.parse(text)
    except ValueError as error:
        raise QueryError(f"not valid PromQL: {error}") from error
    for node in walk(expr):
        unknown = _unsupported(node)
        if unknown:
            raise QueryError(f"{unknown} not supported by the own scraper; see docs/metrics.md")
        _check_patterns(node)
    return expr


def _limit(text: str) -> None:
    """The parser recurses on its own stack; what is nested or chained too long would end the process."""
    if len(text) > MAX_QUERY:
        raise QueryError(f"the query has {len(text)} characters; {MAX_QUERY} are allowed")
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise QueryError(f"the query is nested {deepest} deep; {MAX_DEPTH} are allowed")


def _unsupported(node: tree.Expr) -> str:
    match node:
        case tree.Call() if node.func.name not in SUPPORTED_FUNCTIONS:
            return f"the function {node.func.name} is"
        case tree.AggregateExpr() if str(node.op) not in AGGREGATIONS:
            return f"the aggregation {node.op} is"
        case tree.BinaryExpr() if str(node.op) not in OPERATORS:
            return f"the operator {node.op} is"
        case tree.SubqueryExpr():
            return "subqueries are"
        case tree.VectorSelector() | tree.MatrixSelector() if _selector(node).at is not None:
            return "the @ modifier is"
    return ""


def _check_patterns(node: tree.Expr) -> None:
    patterns: list[str] = []
    if isinstance(node, tree.VectorSelector | tree.MatrixSelector):
        patterns = [m.value for m in matchers(_selector(node)) if m.operator in ("=~", "!~")]
    elif isinstance(node, tree.Call) and node.func.name == "label_replace":
        words = [argument.val for argument in node.args[1:] if isinstance(argument, tree.StringLiteral)]
        if len(words) != len(node.args) - 1:
            raise QueryError("label_replace needs plain strings after the vector")
        if not _LABEL_NAME.fullmatch(words[0]):
            raise QueryError(f"label_replace: {words[0]!r} is no label name")
        patterns = [words[3]]
    for pattern in patterns:
        try:
            compiled(pattern)
        except PatternError as error:
            raise QueryError(str(error)) from error


def result_type(expr: tree.Expr) -> ResultType:
    """What a supported expression yields."""
    match expr:
        case tree.NumberLiteral():
            return "number"
        case tree.StringLiteral():
            return "text"
        case tree.MatrixSelector():
            return "range"
        case tree.ParenExpr() | tree.UnaryExpr():
            return result_type(expr.expr)
        case tree.Call() if expr.func.name in ("time", "scalar"):
            return "number"
        case tree.BinaryExpr() if result_type(expr.lhs) == result_type(expr.rhs) == "number":
            return "number"
    return "vector"


def walk(expr: tree.Expr) -> Iterator[tree.Expr]:
    """Every node of a tree.

    Raises: QueryError where it is deeper than the evaluator can follow.
    """
    waiting = [(expr, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_TREE_DEPTH:
            raise QueryError(f"more than {MAX_TREE_DEPTH} operators follow each other")
        yield node
        match node:
            case tree.BinaryExpr():
                children = [node.rhs, node.lhs]
            case tree.AggregateExpr():
                children = [node.expr] if node.param is None else [node.param, node.expr]
            case tree.Call():
                children = list(node.args)
            case tree.ParenExpr() | tree.UnaryExpr():
                children = [node.expr]
            case _:
                children = []
        waiting += [(child, depth + 1) for child in children]


def selectors(expr: tree.Expr) -> list[tree.VectorSelector]:
    """Every vector selector of a tree, those inside ranges too."""
    return [_selector(node) for node in walk(expr) if isinstance(node, tree.VectorSelector | tree.MatrixSelector)]


def matchers(selector: tree.VectorSelector) -> list[Matcher]:
    """A selector's matchers, its name among them."""
    found = [Matcher(m.name, _MATCH_OPERATORS[str(m.op)], m.value) for m in selector.matchers.matchers]
    if selector.name is not None:
        found.append(Matcher(NAME, "=", selector.name))
    return found


def metric_names(expr: tree.Expr) -> frozenset[str]:
    """The metric names that a tree asks for."""
    return frozenset(s.name for s in selectors(expr) if s.name is not None)


def _selector(node: tree.VectorSelector | tree.MatrixSelector) -> tree.VectorSelector:
    return node.vector_selector if isinstance(node, tree.MatrixSelector) else node
