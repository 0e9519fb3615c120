"""The order in which recorded series are computed: what one asks for comes before it, across groups and files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opsbot.promql.labelset import NAME
from opsbot.promql.syntax import matchers, selectors
from opsbot.rule.model import RecordingRule
from opsbot.yamlfile import Problem


def in_order(rules: Iterable[RecordingRule]) -> tuple[list[RecordingRule], list[Problem]]:
    """The rules, each after those that it asks for; and a problem for each cycle, whose rules are left out.

    Without dependencies the order is that of the files.
    """
    rules = list(rules)
    ordered: list[RecordingRule] = []
    problems: list[Problem] = []
    done: set[int] = set()
    needs = [_needs(rule, rules) for rule in rules]
    for start in range(len(rules)):
        # Depth first with a stack of our own: a long chain of rules is no reason to fail.
        path: list[int] = []
        waiting = [(start, False)]
        while waiting:
            index, is_left = waiting.pop()
            if is_left:
                path.pop()
                done.add(index)
                ordered.append(rules[index])
            elif index in path:
                problems.append(_cycle([rules[i] for i in path[path.index(index) :]]))
            elif index not in done:
                path.append(index)
                waiting.append((index, True))
                waiting += [(other, False) for other in reversed(needs[index])]
    return ([] if problems else ordered), problems


def _needs(rule: RecordingRule, rules: Sequence[RecordingRule]) -> list[int]:
    """Which of *rules* this one asks for."""
    wanted = [
        [(matcher.name, matcher.compiled()) for matcher in matchers(selector)] for selector in selectors(rule.expr)
    ]
    found = []
    for index, other in enumerate(rules):
        # Only the name and the rule's own labels are known of what it will yield.
        known = {NAME: other.name, **other.labels}
        if any(all(name not in known or test(known[name]) for name, test in tests) for tests in wanted):
            found.append(index)
    return found


def _cycle(rules: Sequence[RecordingRule]) -> Problem:
    names = [f"{rule.name} ({rule.origin}:{rule.line})" for rule in rules]
    last = rules[-1]
    if len(rules) == 1:
        return Problem(last.origin, last.line, last.column, f"the series {last.name} is computed from itself")
    message = f"these series are computed from each other: {' → '.join([*names, names[0]])}"
    return Problem(last.origin, last.line, last.column, message)
