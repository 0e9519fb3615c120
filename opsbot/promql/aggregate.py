"""Aggregations: sum, avg, min, max, count, group, stddev, stdvar, quantile, topk, bottomk; by and without."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import promql_parser as tree

from opsbot.promql.functions import greatest, least, quantile, stdvar, total
from opsbot.promql.samples import NAME, Labels, freeze
from opsbot.promql.syntax import QueryError
from opsbot.promql.vector import Element, Vector

REDUCERS: Mapping[str, Callable[[list[float]], float]] = {
    "sum": total,
    "avg": lambda values: total(values) / len(values),
    "min": least,
    "max": greatest,
    "count": lambda values: float(len(values)),
    "group": lambda values: 1.0,
    "stddev": lambda values: math.sqrt(stdvar(values)),
    "stdvar": stdvar,
}


def aggregate(operator: str, vector: Vector, modifier: tree.AggModifier | None, parameter: float | None) -> Vector:
    """Reduce *vector* group by group; `topk` and `bottomk` keep whole elements."""
    groups: dict[Labels, Vector] = {}
    for element in vector:
        groups.setdefault(freeze(_group_labels(element.labels, modifier)), []).append(element)
    if operator in ("topk", "bottomk"):
        assert parameter is not None
        sign = -1 if operator == "topk" else 1
        if not math.isfinite(parameter):
            raise QueryError(f"{operator}: {parameter} is no number of elements")
        kept: Vector = []
        for members in groups.values():
            ordered = sorted(members, key=lambda e: (math.isnan(e.value), sign * e.value))
            kept += ordered[: max(0, int(parameter))]
        return kept
    if operator == "quantile":
        assert parameter is not None
        return [Element(dict(key), quantile(parameter, [e.value for e in members])) for key, members in groups.items()]
    reduce = REDUCERS[operator]
    return [Element(dict(key), reduce([e.value for e in members])) for key, members in groups.items()]


def _group_labels(labels: Mapping[str, str], modifier: tree.AggModifier | None) -> Mapping[str, str]:
    if modifier is None:
        return {}
    named = set(modifier.labels)
    if modifier.type == tree.AggModifierType.By:
        return {name: value for name, value in labels.items() if name in named}
    return {name: value for name, value in labels.items() if name not in named and name != NAME}
