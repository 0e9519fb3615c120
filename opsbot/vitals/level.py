"""Where a rule draws its line, as a level of a figure: what the alert fires beyond, on that figure's own scale."""

from __future__ import annotations

from collections.abc import Iterator

from opsbot.promql import node as nodes
from opsbot.promql.labelset import NAME
from opsbot.promql.node import Node, prepared
from opsbot.promql.syntax import QueryError, parse
from opsbot.vitals.figure import Figure

_KEEPS_SCALE = frozenset({"min_over_time", "max_over_time", "avg_over_time", "last_over_time"})
_KEEPS_SCALE_OF_GROUP = frozenset({"sum", "min", "max", "avg"})


def level_in(expr: str, figure: Figure) -> float | None:
    """The number that *expr* compares the figure with; None where it does not, or not so simply."""
    try:
        root = prepared(parse(expr))
    except QueryError:
        return None
    for one in _comparisons(root):
        for load, level in ((one.left, one.right), (one.right, one.left)):
            if isinstance(level, nodes.Number) and _metric(load) in figure.metrics:
                return level.value
    return None


def _comparisons(node: Node) -> Iterator[nodes.Binary]:
    """Those that must hold for the alert; what stands after `unless` must not."""
    if not isinstance(node, nodes.Binary):
        return
    if node.is_filter:
        yield node
    if node.is_filter or node.op in ("and", "or", "unless"):
        yield from _comparisons(node.left)
    if node.op in ("and", "or"):
        yield from _comparisons(node.right)


def _metric(node: Node) -> str:
    """The metric that a node is on the scale of; empty for anything computed."""
    match node:
        case nodes.Selector():
            return next((one.value for one in node.matchers if one.name == NAME and one.operator == "="), "")
        case nodes.Range():
            return _metric(node.selector)
        case nodes.Call() if node.name in _KEEPS_SCALE:
            return _metric(node.arguments[0])
        case nodes.Aggregation() if node.op in _KEEPS_SCALE_OF_GROUP:
            return _metric(node.inner)
    return ""
