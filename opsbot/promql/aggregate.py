"""Aggregations: sum, avg, min, max, count, group, stddev, stdvar, quantile, topk, bottomk; by and without."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from opsbot.promql.functions import greatest, least, mean, quantile, stdvar, total
from opsbot.promql.labelset import EMPTY, LabelSet
from opsbot.promql.syntax import QueryError
from opsbot.promql.vector import Element, Vector, vector_of


def _spread(values: list[float]) -> float:
    # One element has none, even if it is NaN; over time Prometheus 2 sees that differently.
    return stdvar(values) if len(values) > 1 else 0.0


REDUCERS: Mapping[str, Callable[[list[float]], float]] = {
    "sum": total,
    "avg": mean,
    "min": least,
    "max": greatest,
    "count": lambda values: float(len(values)),
    "group": lambda values: 1.0,
    "stddev": lambda values: math.sqrt(_spread(values)),
    "stdvar": _spread,
}


def aggregate(operator: str, vector: Vector, is_by: bool, names: frozenset[str], parameter: float | None) -> Vector:
    """Reduce *vector* group by group, by the labels in *names* or by all others; `topk` and `bottomk` keep elements."""
    if operator in ("topk", "bottomk"):
        assert parameter is not None
        return _kept(operator, vector, is_by, names, parameter)
    groups: dict[LabelSet, list[float]] = {}
    for labels, value in vector:
        key = (labels.only(names) if names else EMPTY) if is_by else labels.without(names)
        known = groups.get(key)
        if known is None:
            groups[key] = [value]
        else:
            known.append(value)
    if operator == "quantile":
        assert parameter is not None
        return [Element(key, quantile(parameter, values)) for key, values in groups.items()]
    reduce = REDUCERS[operator]
    return vector_of((key, reduce(values)) for key, values in groups.items())


def _kept(operator: str, vector: Vector, is_by: bool, names: frozenset[str], parameter: float) -> Vector:
    if not math.isfinite(parameter):
        raise QueryError(f"{operator}: {parameter} is no number of elements")
    groups: dict[LabelSet, Vector] = {}
    for element in vector:
        key = element.labels.only(names) if is_by else element.labels.without(names)
        groups.setdefault(key, []).append(element)
    sign = -1 if operator == "topk" else 1
    kept: Vector = []
    for members in groups.values():
        ordered = sorted(members, key=lambda e: (math.isnan(e.value), sign * e.value))
        kept += ordered[: max(0, int(parameter))]
    return kept
