"""Binary operators: arithmetic, comparison (filtering, or `bool`), and the set operators, with vector matching."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from opsbot.promql.labelset import NAME, LabelSet
from opsbot.promql.syntax import QueryError
from opsbot.promql.vector import Element, Value, Vector


@dataclass(frozen=True, slots=True)
class Matching:
    """Which elements of two vectors belong together, and what comes of them.

    Args:
        is_bool: a comparison answers 0 or 1 and drops nothing.
        is_on: *names* are those to match on; else those to ignore. None: all labels but the metric's name match.
        group_labels: what a grouped match takes over from its one side.
    """

    is_bool: bool = False
    is_on: bool = False
    names: frozenset[str] | None = None
    is_one_to_many: bool = False
    is_many_to_one: bool = False
    group_labels: tuple[str, ...] = ()

    def signature(self, labels: LabelSet) -> LabelSet:
        """What must be equal on both sides."""
        if self.names is None:
            return labels.without_name()
        return labels.only(self.names) if self.is_on else labels.without(self.names | {NAME})


def _divide(left: float, right: float) -> float:
    if right != 0:
        return left / right
    return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)


def _power(left: float, right: float) -> float:
    try:
        result = left**right
    except (OverflowError, ZeroDivisionError):
        is_negative = math.copysign(1, left) < 0 and math.fmod(right, 2) in (1, -1)
        return -math.inf if is_negative else math.inf
    return result if isinstance(result, float) else math.nan


ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "%": lambda left, right: math.fmod(left, right) if right and math.isfinite(left) else math.nan,
    "^": _power,
}
SET_OPERATORS = frozenset({"and", "or", "unless"})
COMPARISON: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


KNOWN = "known"
"""A comparison that holds whenever both sides are numbers: what there is data for."""


def _is_known(left: float, right: float) -> bool:
    return not (math.isnan(left) or math.isnan(right))


def combine(op: str, left: Value, right: Value, matching: Matching) -> Value:
    """The value of `left op right`.

    Raises: QueryError for a match of many to many, or a set operator on numbers.
    """
    if isinstance(left, float) and isinstance(right, float):
        if op in ARITHMETIC:
            return ARITHMETIC[op](left, right)
        return float(COMPARISON[op](left, right))
    if op in SET_OPERATORS:
        if isinstance(left, float) or isinstance(right, float):
            raise QueryError(f"{op} needs a vector on both sides")
        return _set(op, left, right, matching)
    if isinstance(left, float):
        assert not isinstance(right, float)
        pairs = [(e.labels, left, e.value, e.value) for e in right]
    elif isinstance(right, float):
        pairs = [(e.labels, e.value, right, e.value) for e in left]
    else:
        return _matched(op, left, right, matching)
    return _computed(op, pairs, matching.is_bool)


def _computed(op: str, pairs: list[tuple[LabelSet, float, float, float]], is_bool: bool) -> Vector:
    if op in ARITHMETIC:
        compute = ARITHMETIC[op]
        return [Element(labels.without_name(), compute(a, b)) for labels, a, b, _ in pairs]
    if is_bool:
        return [Element(labels.without_name(), float(COMPARISON[op](a, b))) for labels, a, b, _ in pairs]
    holds = COMPARISON.get(op, _is_known)
    return [Element(labels, kept) for labels, a, b, kept in pairs if holds(a, b)]


def _set(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    on_right = {matching.signature(e.labels) for e in right}
    if op == "and":
        return [e for e in left if matching.signature(e.labels) in on_right]
    if op == "unless":
        return [e for e in left if matching.signature(e.labels) not in on_right]
    on_left = {matching.signature(e.labels) for e in left}
    return [*left, *(e for e in right if matching.signature(e.labels) not in on_left)]


def _matched(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    if not left or not right:
        return []
    is_swapped = matching.is_one_to_many
    many, one = (right, left) if is_swapped else (left, right)
    by_signature: dict[LabelSet, Element] = {}
    for element in one:
        signature = matching.signature(element.labels)
        if signature in by_signature:
            raise QueryError(f"{op}: several series on one side match the same labels {dict(signature)}")
        by_signature[signature] = element
    is_grouped = is_swapped or matching.is_many_to_one
    seen: set[LabelSet] = set()
    result: Vector = []
    for element in many:
        signature = matching.signature(element.labels)
        other = by_signature.get(signature)
        if other is None:
            continue
        a, b = (other.value, element.value) if is_swapped else (element.value, other.value)
        labels = _result_labels(op, element.labels, other.labels, matching, is_grouped)
        kept = _computed(op, [(labels, a, b, a)], matching.is_bool)
        # Elements that a comparison drops may share a match, as in Prometheus.
        if kept and not is_grouped and signature in seen:
            raise QueryError(f"{op}: several series on both sides match {dict(signature)}; use group_left or on()")
        if kept:
            seen.add(signature)
            result += kept
    return result


def _result_labels(op: str, labels: LabelSet, other: LabelSet, matching: Matching, is_grouped: bool) -> LabelSet:
    is_filter = op not in ARITHMETIC and not matching.is_bool
    result = labels if is_filter else labels.without_name()
    if is_grouped:
        if not matching.group_labels:
            return result
        taken = frozenset(matching.group_labels)
        return result.without(taken).overlaid(other.only(taken).pairs)
    if matching.names is None:
        return result
    return result.only(matching.names) if matching.is_on else result.without(matching.names)
