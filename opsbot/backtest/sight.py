"""Which rules can be seen at all in samples that are further apart than they were. Pure.

Watch evaluates on every sample; what it keeps is thinned. A window that finds one sample has no rate: a rule over it
would look as if there was no data, which is another thing.
"""

from __future__ import annotations

from collections.abc import Iterable

import promql_parser as tree

from opsbot.promql.node import prepared
from opsbot.promql.reach import FEWEST_SAMPLES, reaches
from opsbot.rule.model import RecordingRule, Rule


def shortest_window_s(exprs: Iterable[tree.Expr | None]) -> float | None:
    """The shortest range that any of the expressions asks for; None without any."""
    found = [reach.range_s for expr in exprs if expr is not None for reach in reaches(prepared(expr)) if reach.range_s]
    return min(found, default=None)


def is_seen(rule: Rule | RecordingRule, resolution_s: float) -> bool:
    """Whether all windows of a rule have the samples that they need, where those are so far apart."""
    shortest_s = shortest_window_s(asked(rule))
    return shortest_s is None or shortest_s >= FEWEST_SAMPLES * resolution_s


def asked(rule: Rule | RecordingRule) -> tuple[tree.Expr, ...]:
    """The expressions of a rule."""
    if isinstance(rule, Rule) and rule.clear_expr is not None:
        return rule.expr, rule.clear_expr
    return (rule.expr,)


def moves_with_query(rule: Rule | RecordingRule) -> bool:
    """Whether it says `@ start()` or `@ end()`: in one query over a span of time they mean other instants."""
    return any(reach.anchor in ("start", "end") for expr in asked(rule) for reach in reaches(prepared(expr)))


def longest_reach_s(exprs: Iterable[tree.Expr]) -> float:
    """How far back the oldest sample is that any expression looks at, without the lookback of instant selectors."""
    return max((reach.back_s for expr in exprs for reach in reaches(prepared(expr)) if reach.anchor is None), default=0)
