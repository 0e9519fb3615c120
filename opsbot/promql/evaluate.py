"""Evaluates PromQL over samples at one instant: a pure function.

A vector is a list of (labels, value); a scalar is a plain number.
"""

from __future__ import annotations

import math
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
    predicted,
    quantile,
)
from opsbot.promql.histogram import histogram_quantile
from opsbot.promql.instants import instants
from opsbot.promql.labelset import EMPTY, LabelSet
from opsbot.promql.matrix import over_windows, samples
from opsbot.promql.node import Node, When, certain_labels, is_of_presence, prepared
from opsbot.promql.reach import refresh_s
from opsbot.promql.relabel import label_join, label_replace
from opsbot.promql.remembered import Remembered
from opsbot.promql.sheet import Window, round_ms
from opsbot.promql.source import SeriesSource
from opsbot.promql.subquery import window_of
from opsbot.promql.syntax import QueryError, parse
from opsbot.promql.vector import Element, Value, Vector, vector_of

MAX_WINDOWS_BYTES = 4 << 20
"""Of windows that are kept for other functions over the same range; beyond it they are looked up again."""

Span = tuple[float, float]
"""The first and the last instant of a whole query, seconds since the epoch; for one instant twice the same."""


def query(text: str, store: SeriesSource, time_s: float) -> Value:
    """The value of *text* at *time_s*.

    Raises: QueryError.
    """
    return evaluate(parse(text), store, time_s)


def evaluate(expr: tree.Expr, store: SeriesSource, time_s: float, span: Span | None = None) -> Value:
    """The value of a parsed expression at *time_s*, seconds since the epoch, perhaps one of many in *span*.

    Raises: QueryError, for what the parser cannot see (a many-to-many match, for example).
    """
    return Instant(store, time_s, span).value(expr)


def answerable(expr: tree.Expr, store: SeriesSource, time_s: float) -> frozenset[LabelSet]:
    """The label sets that *expr* could yield at *time_s*; see `Instant.answerable`.

    Raises: QueryError.
    """
    return Instant(store, time_s).answerable(expr)


class Instant:
    """A store at one instant. What expressions have in common is evaluated once.

    Args:
        remembered: what long windows yielded at earlier instants, where the same is asked all the time.
    """

    def __init__(
        self, store: SeriesSource, time_s: float, span: Span | None = None, remembered: Remembered | None = None
    ) -> None:
        time_s = round_ms(time_s)
        self._values = _Evaluation(store, time_s, span or (time_s, time_s), None, remembered)
        self._presence = _Evaluation(store, time_s, span or (time_s, time_s), self._values, remembered)

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
        span: what `@ start()` and `@ end()` mean.
        values: the evaluation proper, for one of presence: what nothing filters has the same value in both.
    """

    def __init__(
        self,
        store: SeriesSource,
        time_s: float,
        span: Span,
        values: _Evaluation | None,
        remembered: Remembered | None = None,
    ) -> None:
        self._store = store
        self._remembered = remembered
        self._time_s = time_s
        self._span = span
        self._proper = values
        self._is_presence = values is not None
        self._known: dict[Node, Value] = {}
        self._known_windows: dict[Node, tuple[list[Window], Bounds]] = {}
        self._windows_bytes = 0

    def value(self, node: Node) -> Value:
        if self._proper is not None and not is_of_presence(node):
            return self._proper.value(node)
        found = self._known.get(node)
        if found is None:
            found = self._known[node] = self._fresh(node)
        return found

    def _fresh(self, node: Node) -> Value:
        every_s = refresh_s(node) if self._remembered is not None else 0.0
        if self._remembered is None or not every_s:
            return self._computed(node)
        key = (node, self._is_presence)
        return self._remembered.value(key, every_s, self._time_s, lambda at_s: self._at(at_s)._computed(node))

    def _computed(self, node: Node) -> Value:
        match node:
            case nodes.Number():
                return node.value
            case nodes.Negation():
                return self._negated(self.value(node.inner))
            case nodes.Selector():
                return self._store.instant(node.matchers, self._instant(node.when))
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

    def _instant(self, when: When) -> float:
        match when.at:
            case None:
                at_s = self._time_s
            case "start":
                at_s = self._span[0]
            case "end":
                at_s = self._span[1]
            case _:
                at_s = when.at
        return round_ms(at_s - when.offset_s)

    def _windows(self, node: Node) -> tuple[list[Window], Bounds]:
        if self._proper is not None and not is_of_presence(node):
            return self._proper._windows(node)
        found = self._known_windows.get(node)
        if found is None:
            found = self._looked_up(node)
            # A round over many series would otherwise hold all of its windows at once, each a copy of samples.
            self._windows_bytes += sum(window.values.nbytes for window in found[0])
            if self._windows_bytes > MAX_WINDOWS_BYTES:
                self._known_windows.clear()
                self._windows_bytes = sum(window.values.nbytes for window in found[0])
            self._known_windows[node] = found
        return found

    def _looked_up(self, node: Node) -> tuple[list[Window], Bounds]:
        match node:
            case nodes.Range():
                end_s = self._instant(node.selector.when)
                bounds = Bounds(round_ms(end_s - node.range_s), end_s)
                return self._store.windows(node.selector.matchers, bounds.start_s, end_s), bounds
            case nodes.Subquery():
                end_s = self._instant(node.when)
                bounds = Bounds(round_ms(end_s - node.range_s), end_s)
                times = instants(bounds.start_s, end_s, node.step_s)
                window = window_of(times, [self._at(time_s)._vector(node.inner) for time_s in times])
                return [window] if window is not None else [], bounds
        raise QueryError("a range selector such as m[10s] is needed here")

    def _at(self, time_s: float) -> _Evaluation:
        """The same at another instant."""
        proper = self._proper._at(time_s) if self._proper is not None else None
        return _Evaluation(self._store, time_s, self._span, proper)

    def _samples(self, node: Node) -> Iterator[tuple[LabelSet, list[tuple[float, float]]]]:
        for window in self._windows(node)[0]:
            for row, labels in enumerate(window.nameless):
                found = samples(window, row)
                if found:
                    yield labels, found

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
            vector = self._vector(arguments[0])
            parameters = [self._scalar(argument) for argument in arguments[1:]]
            if name == "clamp" and parameters[0] > parameters[1]:
                return []
            compute = VALUE_FUNCTIONS[name]
            return [Element(labels.without_name(), compute(value, *parameters)) for labels, value in vector]
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
                return [Element(certain_labels(arguments[0]), 1.0)] if is_absent else []
            case "absent_over_time":
                is_absent = self._is_presence or not any(True for _ in self._samples(arguments[0]))
                return [Element(certain_labels(arguments[0]), 1.0)] if is_absent else []
            case "quantile_over_time":
                q = self._scalar(arguments[0])
                found = self._samples(arguments[1])
                return [Element(labels, quantile(q, [value for _, value in window])) for labels, window in found]
            case "predict_linear":
                ahead_s = self._scalar(arguments[1])
                lines = ((one, predicted(w, self._time_s, ahead_s)) for one, w in self._samples(arguments[0]))
                return vector_of((labels, value) for labels, value in lines if value is not None)
            case "timestamp":
                return self._timestamps(arguments[0])
            case "histogram_quantile":
                return histogram_quantile(self._scalar(arguments[0]), self._vector(arguments[1]))
            case "sort" | "sort_desc":
                vector = self._vector(arguments[0])
                return sorted(vector, key=lambda e: (math.isnan(e.value), e.value if name == "sort" else -e.value))
            case _:
                words = [argument.value for argument in arguments[1:] if isinstance(argument, nodes.Text)]
                relabel = label_replace if name == "label_replace" else label_join
                return relabel(self._vector(arguments[0]), words)

    def _timestamps(self, node: Node) -> Vector:
        """When samples were scraped; what is computed is of now."""
        if isinstance(node, nodes.Selector):
            found = self._store.timestamps(node.matchers, self._instant(node.when))
        else:
            found = [Element(labels, self._time_s) for labels, _ in self._vector(node)]
        return [Element(labels.without_name(), time_s) for labels, time_s in found]


def _distinct(value: Value) -> Value:
    """The value itself; two elements with the same labels would make every later match arbitrary."""
    if not isinstance(value, float) and len({labels for labels, _ in value}) < len(value):
        raise QueryError("several series have the same labels once the metric's name is dropped")
    return value
