"""Evaluates PromQL over samples at one instant: a pure function.

A vector is a list of (labels, value); a scalar is a plain number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import promql_parser as tree

from opsbot.promql import node as nodes
from opsbot.promql.aggregate import aggregate
from opsbot.promql.binary import KNOWN, combine
from opsbot.promql.functions import (
    KEEPS_NAME,
    RANGE_FUNCTIONS,
    VALUE_FUNCTIONS,
    Bounds,
    bucket_quantile,
    quantile,
)
from opsbot.promql.labelset import EMPTY, NAME, LabelSet
from opsbot.promql.matrix import over_windows, samples
from opsbot.promql.node import Node, is_of_presence, prepared
from opsbot.promql.pattern import compiled
from opsbot.promql.samples import SampleStore
from opsbot.promql.sheet import Window, round_ms
from opsbot.promql.syntax import QueryError, parse
from opsbot.promql.vector import Element, Value, Vector, vector_of

_REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)\}|\$)")
_LE = frozenset({NAME, "le"})


def query(text: str, store: SampleStore, time_s: float) -> Value:
    """The value of *text* at *time_s*.

    Raises: QueryError.
    """
    return evaluate(parse(text), store, time_s)


def evaluate(expr: tree.Expr, store: SampleStore, time_s: float) -> Value:
    """The value of a parsed expression at *time_s*, seconds since the epoch.

    Raises: QueryError, for what the parser cannot see (a many-to-many match, for example).
    """
    return Instant(store, time_s).value(expr)


def answerable(expr: tree.Expr, store: SampleStore, time_s: float) -> frozenset[LabelSet]:
    """The label sets that *expr* could yield at *time_s*; see `Instant.answerable`.

    Raises: QueryError.
    """
    return Instant(store, time_s).answerable(expr)


class Instant:
    """A store at one instant. What expressions have in common is evaluated once."""

    def __init__(self, store: SampleStore, time_s: float) -> None:
        values = _Evaluation(store, round_ms(time_s), None)
        self._values = values
        self._presence = _Evaluation(store, round_ms(time_s), values)

    def value(self, expr: tree.Expr) -> Value:
        """The value of a parsed expression.

        Raises: QueryError.
        """
        return self._values.value(prepared(expr))

    def answerable(self, expr: tree.Expr) -> frozenset[LabelSet]:
        """The label sets (without names) that *expr* could yield if each of its comparisons held.

        What it yields no longer although it is answerable does not hold; the rest has no data.
        Raises: QueryError.
        """
        value = self._presence.value(prepared(expr))
        return frozenset() if isinstance(value, float) else frozenset(labels.without_name() for labels, _ in value)


class _Evaluation:
    """What is known so far.

    Args:
        values: the evaluation proper, for one of presence: what nothing filters has the same value in both.
    """

    def __init__(self, store: SampleStore, time_s: float, values: _Evaluation | None) -> None:
        self._store = store
        self._time_s = time_s
        self._proper = values
        self._is_presence = values is not None
        self._known: dict[Node, Value] = {}
        self._known_windows: dict[Node, tuple[list[Window], Bounds]] = {}

    def value(self, node: Node) -> Value:
        if self._proper is not None and not is_of_presence(node):
            return self._proper.value(node)
        found = self._known.get(node)
        if found is None:
            found = self._known[node] = self._computed(node)
        return found

    def _computed(self, node: Node) -> Value:
        match node:
            case nodes.Number():
                return node.value
            case nodes.Negation():
                return self._negated(self.value(node.inner))
            case nodes.Selector():
                return self._store.instant(node.matchers, round_ms(self._time_s - node.offset_s))
            case nodes.Binary():
                return _distinct(self._binary(node))
            case nodes.Aggregation():
                return self._aggregate(node)
            case nodes.Call():
                return _distinct(self._call(node))
        raise QueryError(f"cannot evaluate a {type(node).__name__.lower()} here")

    def _binary(self, node: nodes.Binary) -> Value:
        left = self.value(node.left)
        if self._is_presence and node.op == "unless":
            return left
        op = KNOWN if self._is_presence and node.is_filter else node.op
        return combine(op, left, self.value(node.right), node.matching)

    def _aggregate(self, node: nodes.Aggregation) -> Value:
        vector = self._vector(node.inner)
        if self._is_presence and node.op in ("topk", "bottomk"):
            return vector
        parameter = self._scalar(node.parameter) if node.parameter is not None else None
        return aggregate(node.op, vector, node.is_by, node.names, parameter)

    def _negated(self, value: Value) -> Value:
        if isinstance(value, float):
            return -value
        return _distinct([Element(labels.without_name(), -number) for labels, number in value])

    def _vector(self, node: Node) -> Vector:
        value = self.value(node)
        if isinstance(value, float):
            raise QueryError("a vector is needed here, not a number")
        return value

    def _scalar(self, node: Node) -> float:
        value = self.value(node)
        if not isinstance(value, float):
            raise QueryError("a number is needed here, not a vector")
        return value

    def _windows(self, node: Node) -> tuple[list[Window], Bounds]:
        if self._proper is not None:
            return self._proper._windows(node)
        found = self._known_windows.get(node)
        if found is None:
            matrix = _range(node)
            end_s = round_ms(self._time_s - matrix.selector.offset_s)
            bounds = Bounds(round_ms(end_s - matrix.range_s), end_s)
            found = self._store.windows(matrix.selector.matchers, bounds.start_s, end_s), bounds
            self._known_windows[node] = found
        return found

    def _samples(self, node: Node) -> Iterator[tuple[LabelSet, list[float]]]:
        for window in self._windows(node)[0]:
            for row, labels in enumerate(window.labels):
                values = [value for _, value in samples(window, row)]
                if values:
                    yield labels, values

    def _over_range(self, name: str, node: Node) -> Vector:
        windows, bounds = self._windows(node)
        found: Vector = []
        for window in windows:
            labels = window.labels if name in KEEPS_NAME else window.nameless
            values = over_windows(name, window, bounds)
            found += vector_of((one, value) for one, value in zip(labels, values, strict=True) if value is not None)
        return found

    def _call(self, node: nodes.Call) -> Value:
        name, arguments = node.name, node.arguments
        if name in RANGE_FUNCTIONS:
            return self._over_range(name, arguments[0])
        if name in VALUE_FUNCTIONS:
            parameters = [self._scalar(argument) for argument in arguments[1:]]
            if name == "clamp" and parameters[0] > parameters[1]:
                return []
            compute = VALUE_FUNCTIONS[name]
            return [
                Element(labels.without_name(), compute(value, *parameters))
                for labels, value in self._vector(arguments[0])
            ]
        match name:
            case "time":
                return self._time_s
            case "scalar":
                vector = self._vector(arguments[0])
                return vector[0].value if len(vector) == 1 else math.nan
            case "vector":
                return [Element(EMPTY, self._scalar(arguments[0]))]
            case "absent":
                is_absent = self._is_presence or not self._vector(arguments[0])
                return [Element(_certain_labels(arguments[0]), 1.0)] if is_absent else []
            case "absent_over_time":
                is_absent = self._is_presence or not any(True for _ in self._samples(arguments[0]))
                return [Element(_certain_labels(_range(arguments[0]).selector), 1.0)] if is_absent else []
            case "quantile_over_time":
                q = self._scalar(arguments[0])
                return [
                    Element(labels.without_name(), quantile(q, values))
                    for labels, values in self._samples(arguments[1])
                ]
            case "histogram_quantile":
                return _histogram_quantile(self._scalar(arguments[0]), self._vector(arguments[1]))
            case "sort" | "sort_desc":
                vector = self._vector(arguments[0])
                return sorted(vector, key=lambda e: (math.isnan(e.value), e.value if name == "sort" else -e.value))
            case _:
                words = [argument.value for argument in arguments[1:] if isinstance(argument, nodes.Text)]
                return _label_replace(self._vector(arguments[0]), words)


def _range(node: Node) -> nodes.Range:
    if not isinstance(node, nodes.Range):
        raise QueryError("a range selector such as m[10s] is needed here")
    return node


def _distinct(value: Value) -> Value:
    """The value itself; two elements with the same labels would make every later match arbitrary."""
    if not isinstance(value, float) and len({labels for labels, _ in value}) < len(value):
        raise QueryError("several series have the same labels once the metric's name is dropped")
    return value


def _certain_labels(node: Node) -> LabelSet:
    """The labels that an absent series would surely have: its equality matchers, each label matched once."""
    if not isinstance(node, nodes.Selector):
        return EMPTY
    named = [m for m in node.matchers if m.name != NAME]
    names = [m.name for m in named]
    return LabelSet.of({m.name: m.value for m in named if m.operator == "=" and m.value and names.count(m.name) == 1})


def _histogram_quantile(q: float, vector: Vector) -> Vector:
    groups: dict[LabelSet, list[tuple[float, float]]] = {}
    for labels, value in vector:
        bound = labels.upper_bound
        if bound is not None:
            groups.setdefault(labels.without(_LE), []).append((bound, value))
    return [Element(labels, bucket_quantile(q, buckets)) for labels, buckets in groups.items()]


def _label_replace(vector: Vector, words: list[str]) -> Vector:
    destination, replacement, source, pattern = words
    result = []
    for element in vector:
        labels = dict(element.labels)
        match = compiled(pattern).fullmatch(labels.get(source, ""))
        if match is not None:
            labels.pop(destination, None)
            text = _expand(replacement, match)
            if text:
                labels[destination] = text
        result.append(Element(LabelSet.of(labels), element.value))
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
