"""Evaluates a PromQL tree over samples at one instant: a pure function.

A vector is a list of (labels, value); a scalar is a plain number. Range selectors include a sample exactly at their
start, as Prometheus 2.x does (`INCLUDES_START`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import promql_parser as tree

from opsbot.promql.aggregate import aggregate
from opsbot.promql.binary import COMPARISON, KNOWN, combine
from opsbot.promql.functions import (
    KEEPS_NAME,
    RANGE_FUNCTIONS,
    VALUE_FUNCTIONS,
    Bounds,
    Window,
    bucket_quantile,
    quantile,
)
from opsbot.promql.pattern import compiled
from opsbot.promql.samples import NAME, Labels, SampleStore, freeze, round_ms
from opsbot.promql.syntax import QueryError, matchers, parse
from opsbot.promql.vector import Element, Value, Vector, without_name

INCLUDES_START = True
_REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)\}|\$)")


def query(text: str, store: SampleStore, time_s: float) -> Value:
    """The value of *text* at *time_s*.

    Raises: QueryError.
    """
    return evaluate(parse(text), store, time_s)


def evaluate(expr: tree.Expr, store: SampleStore, time_s: float) -> Value:
    """The value of a parsed expression at *time_s*, seconds since the epoch.

    Raises: QueryError, for what the parser cannot see (a many-to-many match, for example).
    """
    return _Evaluation(store, round_ms(time_s)).value(expr)


def answerable(expr: tree.Expr, store: SampleStore, time_s: float) -> frozenset[Labels]:
    """The label sets (without names) that *expr* could yield if each of its comparisons held.

    What it yields no longer although it is answerable does not hold; the rest has no data.
    Raises: QueryError.
    """
    value = _Evaluation(store, round_ms(time_s), is_presence=True).value(expr)
    elements = [] if isinstance(value, float) else value
    return frozenset(freeze(without_name(element.labels)) for element in elements)


@dataclass(frozen=True, slots=True)
class _Evaluation:
    store: SampleStore
    time_s: float
    is_presence: bool = False

    def value(self, expr: tree.Expr) -> Value:
        match expr:
            case tree.NumberLiteral():
                return float(expr.val)
            case tree.ParenExpr():
                return self.value(expr.expr)
            case tree.UnaryExpr():
                return self._negated(self.value(expr.expr))
            case tree.VectorSelector():
                return self._instant(expr)
            case tree.BinaryExpr():
                return _distinct(self._binary(expr))
            case tree.AggregateExpr():
                return self._aggregate(expr)
            case tree.Call():
                return _distinct(self._call(expr))
        raise QueryError(f"cannot evaluate {type(expr).__name__} here")

    def _binary(self, expr: tree.BinaryExpr) -> Value:
        op, left = str(expr.op), self.value(expr.lhs)
        if self.is_presence and op == "unless":
            return left
        right = self.value(expr.rhs)
        is_filter = op in COMPARISON and not (expr.modifier is not None and expr.modifier.return_bool)
        return combine(KNOWN if self.is_presence and is_filter else op, left, right, expr.modifier)

    def _aggregate(self, expr: tree.AggregateExpr) -> Value:
        op, vector = str(expr.op), self._vector(expr.expr)
        if self.is_presence and op in ("topk", "bottomk"):
            return vector
        parameter = self._scalar(expr.param) if expr.param is not None else None
        return aggregate(op, vector, expr.modifier, parameter)

    def _negated(self, value: Value) -> Value:
        if isinstance(value, float):
            return -value
        return _distinct([Element(without_name(e.labels), -e.value) for e in value])

    def _vector(self, expr: tree.Expr) -> Vector:
        value = self.value(expr)
        if isinstance(value, float):
            raise QueryError("a vector is needed here, not a number")
        return value

    def _scalar(self, expr: tree.Expr) -> float:
        value = self.value(expr)
        if not isinstance(value, float):
            raise QueryError("a number is needed here, not a vector")
        return value

    def _instant(self, selector: tree.VectorSelector) -> Vector:
        at_s = round_ms(self.time_s - _offset_s(selector))
        found = []
        for series in self.store.select(matchers(selector)):
            value = series.at(at_s, includes_start=INCLUDES_START)
            if value is not None:
                found.append(Element(series.labels, value))
        return found

    def _windows(self, expr: tree.Expr) -> list[tuple[Mapping[str, str], Window, Bounds]]:
        matrix = _matrix(expr)
        end_s = round_ms(self.time_s - _offset_s(matrix.vector_selector))
        bounds = Bounds(round_ms(end_s - matrix.range.total_seconds()), end_s)
        return [
            (s.labels, s.window(bounds.start_s, end_s, includes_start=INCLUDES_START), bounds)
            for s in self.store.select(matchers(matrix.vector_selector))
        ]

    def _call(self, expr: tree.Call) -> Value:
        name, args = expr.func.name, expr.args
        if name in RANGE_FUNCTIONS:
            results = [(labels, RANGE_FUNCTIONS[name](w, b)) for labels, w, b in self._windows(args[0])]
            keep = name in KEEPS_NAME
            return [Element(ls if keep else without_name(ls), v) for ls, v in results if v is not None]
        if name in VALUE_FUNCTIONS:
            parameters = [self._scalar(argument) for argument in args[1:]]
            if name == "clamp" and parameters[0] > parameters[1]:
                return []
            compute = VALUE_FUNCTIONS[name]
            return [Element(without_name(e.labels), compute(e.value, *parameters)) for e in self._vector(args[0])]
        match name:
            case "time":
                return self.time_s
            case "scalar":
                vector = self._vector(args[0])
                return vector[0].value if len(vector) == 1 else math.nan
            case "vector":
                return [Element({}, self._scalar(args[0]))]
            case "absent":
                is_absent = self.is_presence or not self._vector(args[0])
                return [Element(_certain_labels(args[0]), 1.0)] if is_absent else []
            case "absent_over_time":
                is_absent = self.is_presence or not any(window for _, window, _ in self._windows(args[0]))
                return [Element(_certain_labels(_matrix(args[0]).vector_selector), 1.0)] if is_absent else []
            case "quantile_over_time":
                q = self._scalar(args[0])
                windows = self._windows(args[1])
                return [Element(without_name(ls), quantile(q, [v for _, v in w])) for ls, w, _ in windows if w]
            case "histogram_quantile":
                return _histogram_quantile(self._scalar(args[0]), self._vector(args[1]))
            case "sort" | "sort_desc":
                vector = self._vector(args[0])
                return sorted(vector, key=lambda e: (math.isnan(e.value), e.value if name == "sort" else -e.value))
            case _:
                return _label_replace(self._vector(args[0]), [argument.val for argument in args[1:]])


def _offset_s(selector: tree.VectorSelector) -> float:
    return float(selector.offset.total_seconds()) if selector.offset is not None else 0.0


def _matrix(expr: tree.Expr) -> tree.MatrixSelector:
    while isinstance(expr, tree.ParenExpr):
        expr = expr.expr
    if not isinstance(expr, tree.MatrixSelector):
        raise QueryError("a range selector such as m[10s] is needed here")
    return expr


def _distinct(value: Value) -> Value:
    """The value itself; two elements with the same labels would make every later match arbitrary."""
    if not isinstance(value, float) and len({freeze(e.labels) for e in value}) < len(value):
        raise QueryError("several series have the same labels once the metric's name is dropped")
    return value


def _certain_labels(expr: tree.Expr) -> Mapping[str, str]:
    """The labels that an absent series would surely have: its equality matchers, each label matched once."""
    if not isinstance(expr, tree.VectorSelector):
        return {}
    named = [m for m in matchers(expr) if m.name != NAME]
    names = [m.name for m in named]
    return {m.name: m.value for m in named if m.operator == "=" and m.value and names.count(m.name) == 1}


def _histogram_quantile(q: float, vector: Vector) -> Vector:
    groups: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    for element in vector:
        try:
            bound = float(element.labels.get("le", ""))
        except ValueError:
            continue
        rest = {k: v for k, v in element.labels.items() if k not in (NAME, "le")}
        groups.setdefault(freeze(rest), []).append((bound, element.value))
    return [Element(dict(labels), bucket_quantile(q, buckets)) for labels, buckets in groups.items()]


def _label_replace(vector: Vector, arguments: list[str]) -> Vector:
    destination, replacement, source, pattern = arguments
    result = []
    for element in vector:
        labels = dict(element.labels)
        match = compiled(pattern).fullmatch(labels.get(source, ""))
        if match is not None:
            labels.pop(destination, None)
            text = _expand(replacement, match)
            if text:
                labels[destination] = text
        result.append(Element(labels, element.value))
    return result


def _expand(replacement: str, match: re.Match[str]) -> str:
    """Go's Regexp.Expand: `$1`, `${name}`, `$$`; a group that the pattern does not have is empty."""

    def word(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except IndexError:
            return ""

    return _REFERENCE.sub(word, replacement)
