"""Binary operators: arithmetic, comparison (filtering, or `bool`), and the set operators, with vector matching."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping

import promql_parser as tree

from opsbot.promql.samples import NAME, Labels, freeze
from opsbot.promql.syntax import QueryError
from opsbot.promql.vector import Element, Value, Vector, without_name


def _divide(left: float, right: float) -> float:
    if right != 0:
        return left / right
    return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)


def _power(left: float, right: float) -> float:
    try:
        result = left**right
    except (OverflowError, ZeroDivisionError):
        return -math.inf if left < 0 and math.fmod(right, 2) in (1, -1) else math.inf
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


def combine(op: str, left: Value, right: Value, modifier: tree.BinModifier | None) -> Value:
    """The value of `left op right`.

    Raises: QueryError for a match of many to many, or a set operator on numbers.
    """
    is_bool = modifier is not None and modifier.return_bool
    if isinstance(left, float) and isinstance(right, float):
        if op in ARITHMETIC:
            return ARITHMETIC[op](left, right)
        return float(COMPARISON[op](left, right))
    if op in SET_OPERATORS:
        if isinstance(left, float) or isinstance(right, float):
            raise QueryError(f"{op} needs a vector on both sides")
        return _set(op, left, right, modifier)
    if isinstance(left, float):
        assert not isinstance(right, float)
        pairs = [(e.labels, left, e.value, e.value) for e in right]
    elif isinstance(right, float):
        pairs = [(e.labels, e.value, right, e.value) for e in left]
    else:
        return _matched(op, left, right, modifier)
    return _computed(op, pairs, is_bool)


def _computed(op: str, pairs: list[tuple[Mapping[str, str], float, float, float]], is_bool: bool) -> Vector:
    if op in ARITHMETIC:
        return [Element(without_name(labels), ARITHMETIC[op](a, b)) for labels, a, b, _ in pairs]
    if is_bool:
        return [Element(without_name(labels), float(COMPARISON[op](a, b))) for labels, a, b, _ in pairs]
    holds = COMPARISON.get(op, _is_known)
    return [Element(labels, kept) for labels, a, b, kept in pairs if holds(a, b)]


def _signature(labels: Mapping[str, str], modifier: tree.BinModifier | None) -> Labels:
    matching = modifier.matching if modifier is not None else None
    if matching is None:
        return freeze(without_name(labels))
    named = set(matching.labels)
    if matching.type == tree.LabelModifierType.Include:
        return freeze({name: labels.get(name, "") for name in named})
    return freeze({name: value for name, value in labels.items() if name not in named and name != NAME})


def _set(op: str, left: Vector, right: Vector, modifier: tree.BinModifier | None) -> Vector:
    on_right = {_signature(e.labels, modifier) for e in right}
    if op == "and":
        return [e for e in left if _signature(e.labels, modifier) in on_right]
    if op == "unless":
        return [e for e in left if _signature(e.labels, modifier) not in on_right]
    on_left = {_signature(e.labels, modifier) for e in left}
    return [*left, *(e for e in right if _signature(e.labels, modifier) not in on_left)]


def _matched(op: str, left: Vector, right: Vector, modifier: tree.BinModifier | None) -> Vector:
    card = modifier.card if modifier is not None else tree.VectorMatchCardinality.OneToOne
    is_swapped = card == tree.VectorMatchCardinality.OneToMany
    many, one = (right, left) if is_swapped else (left, right)
    by_signature: dict[Labels, Element] = {}
    for element in one:
        signature = _signature(element.labels, modifier)
        if signature in by_signature:
            raise QueryError(f"{op}: several series on one side match the same labels {dict(signature)}")
        by_signature[signature] = element
    is_grouped = card != tree.VectorMatchCardinality.OneToOne
    seen: set[Labels] = set()
    result: Vector = []
    for element in many:
        signature = _signature(element.labels, modifier)
        other = by_signature.get(signature)
        if other is None:
            continue
        a, b = (other.value, element.value) if is_swapped else (element.value, other.value)
        labels = _result_labels(op, element.labels, other.labels, modifier, is_grouped)
        kept = _computed(op, [(labels, a, b, a)], modifier is not None and modifier.return_bool)
        # Elements that a comparison drops may share a match, as in Prometheus.
        if kept and not is_grouped and signature in seen:
            raise QueryError(f"{op}: several series on both sides match {dict(signature)}; use group_left or on()")
        seen.update([signature] if kept else [])
        result += kept
    return result


def _result_labels(
    op: str,
    labels: Mapping[str, str],
    other: Mapping[str, str],
    modifier: tree.BinModifier | None,
    is_grouped: bool,
) -> Mapping[str, str]:
    is_filter = op not in ARITHMETIC and not (modifier is not None and modifier.return_bool)
    result = dict(labels) if is_filter else dict(without_name(labels))
    if is_grouped:
        assert modifier is not None
        for name in modifier.group_labels or []:
            result.pop(name, None)
            if name in other:
                result[name] = other[name]
        return result
    matching = modifier.matching if modifier is not None else None
    if matching is None:
        return result
    named = set(matching.labels)
    if matching.type == tree.LabelModifierType.Include:
        return {name: value for name, value in result.items() if name in named}
    return {name: value for name, value in result.items() if name not in named}
