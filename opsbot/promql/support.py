"""What of PromQL there is, and a sentence for everything else: refused by name, never evaluated to something else."""

from __future__ import annotations

from collections.abc import Iterable

import promql_parser as tree

from opsbot.promql.functions import SUPPORTED_FUNCTIONS

AGGREGATIONS = frozenset(
    {"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile", "topk", "bottomk"}
)
OPERATORS = frozenset(["+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"])


def unsupported(node: tree.Expr) -> str:
    """Why this node cannot be evaluated; empty if it can."""
    match node:
        case tree.Call() if node.func.name not in SUPPORTED_FUNCTIONS:
            return unknown_function(node.func.name)
        case tree.AggregateExpr() if str(node.op) not in AGGREGATIONS:
            return _refused(f"the aggregation '{node.op}'", AGGREGATIONS)
        case tree.BinaryExpr() if str(node.op) not in OPERATORS:
            return _refused(f"the operator '{node.op}'", OPERATORS)
        case tree.BinaryExpr() if node.modifier is not None and _fills(node.modifier):
            return _refused("the modifier 'fill'", ("bool", "on", "ignoring", "group_left", "group_right"))
        case tree.VectorSelector() if node.matchers.or_matchers:
            return "'or' between matchers is not supported; write 'or' between two selectors, or one pattern with =~"
        case tree.MatrixSelector():
            return unsupported(node.vector_selector)
    return ""


def unknown_function(name: str) -> str:
    """The refusal of a function, also of one that nobody has."""
    import difflib

    near = difflib.get_close_matches(name, [*SUPPORTED_FUNCTIONS, *AGGREGATIONS], n=1, cutoff=0.8)
    if near:
        return f"the function '{name}' is not supported, did you mean '{near[0]}'?"
    return _refused(f"the function '{name}'", SUPPORTED_FUNCTIONS)


def _refused(what: str, supported: Iterable[str]) -> str:
    return f"{what} is not supported; supported are {', '.join(sorted(supported))}"


def _fills(modifier: tree.BinModifier) -> bool:
    return modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None
