"""Tells of rules over metrics that nobody exposes: they would never fire, silently."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import promql_parser as tree

from opsbot.promql.samples import SampleStore
from opsbot.promql.syntax import metric_names, walk
from opsbot.rule.model import RecordingRule, Rule

FIRST_AFTER_S = 10.0
EVERY_S = 60.0

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class AbsentMetrics:
    """Says once of each metric that it is missing.

    Args:
        began_at: when watching began, seconds since the epoch.
    """

    store: SampleStore
    began_at: float
    _due_at: float = field(init=False)
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._due_at = self.began_at + FIRST_AFTER_S

    def look(self, rules: Sequence[Rule], recordings: Sequence[RecordingRule], now: float) -> None:
        """Look whether there is what *rules* and *recordings* ask for, if that is due."""
        if now < self._due_at:
            return
        self._due_at = now + EVERY_S
        known = self.store.names()
        asking = [(rule.name, expr) for rule in rules for expr in (rule.expr, rule.clear_expr) if expr]
        asking += [(rule.name, rule.expr) for rule in recordings]
        recorded = {rule.name for rule in recordings}
        for rule_name, expr in asking:
            for name in sorted(_needed_names(expr) - known - recorded - self._told):
                self._told.add(name)
                other = name.replace(":", "_")
                hint = f"; there is {other}: does something between us rewrite names?" if other in known else ""
                logger.warning("rule %s asks for %s, which no target exposes%s", rule_name, name, hint)


def _needed_names(expr: tree.Expr) -> frozenset[str]:
    """The metrics that an expression asks for, without those of which another one can take the place."""
    either = [node for node in walk(expr) if isinstance(node, tree.BinaryExpr) and str(node.op) == "or"]
    return metric_names(expr) - frozenset[str]().union(*(metric_names(node) for node in either))
