"""Parses PromQL and refuses, by name, what the embedded evaluator does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import promql_parser as tree

from opsbot.errors import SourceError
from opsbot.promql.instants import DEFAULT_STEP_S, num_steps
from opsbot.promql.labelset import NAME
from opsbot.promql.matcher import Matcher
from opsbot.promql.pattern import PatternError, compiled
from opsbot.promql.support import unknown_function, unsupported

ResultType = Literal["vector", "number", "range", "text"]

MAX_QUERY = 2_000
MAX_DEPTH = 32
MAX_TREE_DEPTH = 100

MAX_EVALUATIONS = 500
"""Of what is in subqueries, in one query; over two dozen clusters each takes up to a millisecond of a round."""

_OPERATOR_AT_END = re.compile(r"(==|!=|<=|>=|=|<|>|\+|-|\*|/|%|\^|\band\b|\bor\b|\bunless\b)\s*$")
_ASSIGNMENT = re.compile(r"(?<![=!<>~])=(?![=~])")
_UNQUOTED = re.compile(r"\{[^}]*\}|\"[^\"]*\"|'[^']*'")
"""Braces and quoted texts, in which `=` is right."""
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_UNKNOWN_FUNCTION = re.compile(r"unknown function with name '(\w+)'")
_MATCH_OPERATORS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}
"""By the operators' text: the parser's own values cannot be keys."""


class QueryError(SourceError):
    """A query cannot be parsed, or uses something that is not supported."""


@lru_cache(maxsize=512)
def parse(text: str) -> tree.Expr:
    """The syntax tree of *text*; the same again for the same text, since a watched condition is asked each second.

    Raises: QueryError naming what is wrong or not supported.
    """
    _limit(text)
    try:
        expr = tree.parse(text)
    except ValueError as error:
        unknown = _UNKNOWN_FUNCTION.search(str(error))
        why = unknown_function(unknown[1]) if unknown else f"not valid PromQL: {_words(error, text)}"
        raise QueryError(why) from error
    for node in walk(expr):
        refusal = unsupported(node)
        if refusal:
            raise QueryError(refusal)
        _check_words(node)
    evaluations = num_evaluations(expr)
    if evaluations > MAX_EVALUATIONS:
        raise QueryError(
            f"the subqueries take {evaluations} evaluations; {MAX_EVALUATIONS} are allowed: a longer step takes fewer"
        )
    return expr


def _words(error: ValueError, text: str) -> str:
    """The parser's complaint; where it only says that something is wrong, what that most likely is."""
    said = str(error)
    if said != "invalid promql query":
        return said
    ends = _OPERATOR_AT_END.search(text)
    if ends:
        return f"something must follow `{ends[1]}`"
    if _ASSIGNMENT.search(_UNQUOTED.sub("", text)):
        return "`=` does not compare; write `==`"
    return "an operator, or one of its sides, is missing"


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


def num_evaluations(expr: tree.Expr) -> int:
    """How many instants are evaluated beside the one that is asked for."""
    inner = sum(num_evaluations(child) for child in _children(expr))
    if not isinstance(expr, tree.SubqueryExpr):
        return inner
    return num_steps(*range_and_step(expr)) * (1 + inner)


def _check_words(node: tree.Expr) -> None:
    """Patterns and label names, which the parser takes for plain text."""
    patterns: list[str] = []
    if isinstance(node, tree.VectorSelector | tree.MatrixSelector):
        patterns = [m.value for m in matchers(_selector(node)) if m.operator in ("=~", "!~")]
    elif isinstance(node, tree.Call) and node.func.name in ("label_replace", "label_join"):
        name = node.func.name
        words = [argument.val for argument in node.args[1:] if isinstance(argument, tree.StringLiteral)]
        if len(words) != len(node.args) - 1:
            raise QueryError(f"{name} needs plain strings after the vector")
        for label in words[:1] if name == "label_replace" else [words[0], *words[2:]]:
            if not _LABEL_NAME.fullmatch(label):
                raise QueryError(f"{name}: {label!r} is no label name")
        patterns = [words[3]] if name == "label_replace" else []
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
        case tree.MatrixSelector() | tree.SubqueryExpr():
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
        waiting += [(child, depth + 1) for child in _children(node)]


def _children(node: tree.Expr) -> list[tree.Expr]:
    match node:
        case tree.BinaryExpr():
            return [node.rhs, node.lhs]
        case tree.AggregateExpr():
            return [node.expr] if node.param is None else [node.param, node.expr]
        case tree.Call():
            return list(node.args)
        case tree.ParenExpr() | tree.UnaryExpr() | tree.SubqueryExpr():
            return [node.expr]
    return []


def range_and_step(expr: tree.SubqueryExpr) -> tuple[float, float]:
    """Both in seconds."""
    assert expr.range is not None
    return expr.range.total_seconds(), expr.step.total_seconds() if expr.step is not None else DEFAULT_STEP_S


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
