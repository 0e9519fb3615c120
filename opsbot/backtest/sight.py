"""Which rules can be seen at all in samples that are further apart than they were. Pure.

Watch evaluates on every sample; what it keeps is thinned. A window that finds one sample has no rate: a rule over it
would look as if there was no data, which is another thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import promql_parser as tree

from opsbot.promql.labelset import NAME
from opsbot.promql.node import prepared
from opsbot.promql.reach import FEWEST_SAMPLES, Reach, reaches
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


def longest_reach_s(rules: Iterable[Rule | RecordingRule], recordings: Sequence[RecordingRule]) -> float:
    """How far back the oldest sample is that any rule looks at, through the recorded series that it asks for.

    Args:
        recordings: each after those that it asks for.
    """
    far: dict[str, float] = {}

    def reach_s(rule: Rule | RecordingRule) -> float:
        found = [one for one in _reaches(rule) if one.anchor is None]
        return max(
            (one.back_s + max((far.get(name, 0.0) for name in _names(one)), default=0.0) for one in found), default=0.0
        )

    for recording in recordings:
        far[recording.name] = max(far.get(recording.name, 0.0), reach_s(recording))
    return max(map(reach_s, rules), default=0.0)


def looked_back_on(rules: Iterable[Rule | RecordingRule], recordings: Sequence[RecordingRule]) -> list[RecordingRule]:
    """The recordings whose past is asked for, and what those are computed from."""
    return _with_sources([one for rule in (*rules, *recordings) for one in _reaches(rule) if one.back_s], recordings)


def asked_for(rules: Iterable[Rule], recordings: Sequence[RecordingRule]) -> list[RecordingRule]:
    """The recordings that alerts ask for, and what those are computed from; nobody needs the others."""
    return _with_sources([one for rule in rules for one in _reaches(rule)], recordings)


def _with_sources(found: Iterable[Reach], recordings: Sequence[RecordingRule]) -> list[RecordingRule]:
    """The recordings that selectors name; all, where one of them names none.

    Args:
        recordings: each after those that it asks for.
    """
    by_selector = [_names(one) for one in found]
    if not all(by_selector):
        return list(recordings)
    wanted = {name for names in by_selector for name in names}
    kept: list[RecordingRule] = []
    for recording in reversed(recordings):
        if recording.name in wanted:
            kept.append(recording)
            wanted |= named_in(recording)
    return kept[::-1]


def named_in(rule: Rule | RecordingRule) -> set[str]:
    """The metric names that a rule asks for."""
    return {name for one in _reaches(rule) for name in _names(one)}


def _reaches(rule: Rule | RecordingRule) -> list[Reach]:
    return [one for expr in asked(rule) for one in reaches(prepared(expr))]


def _names(reach: Reach) -> list[str]:
    return [matcher.value for matcher in reach.matchers if matcher.name == NAME and matcher.operator == "="]
