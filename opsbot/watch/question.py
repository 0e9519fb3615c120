"""What a server is asked about a rule: everything that its evaluation needs, in one query and so of one instant.

Four vectors are told apart by a label: what holds, for what there is data, and both again for `clear_expr`. Asked one
after the other, a scrape in between could make a lost source look like recovery.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opsbot.promql import node as nodes
from opsbot.promql.binary import Matching
from opsbot.promql.inlined import Recorded, RecordedSeries, inlined, leaves
from opsbot.promql.labelset import NAME, LabelSet
from opsbot.promql.node import Node, prepared
from opsbot.promql.presence import is_number, labelled, presence
from opsbot.promql.vector import Element, Vector
from opsbot.promql.written import written
from opsbot.rule.evaluate import Reading
from opsbot.rule.model import RecordingRule, Rule

PART = "opsbot_part"
"""The label that tells the vectors of one answer apart."""
BOT_JOB = "opsbot"

_PARTS = ("expr", "answerable", "clear", "clear_answerable")


@dataclass(frozen=True, slots=True)
class Question:
    """The queries of one rule.

    Args:
        plain: `expr` alone: enough while no alert of the rule is active and missing data means nothing.
        whole: all four parts.
    """

    plain: str
    whole: str


def question(rule: Rule, recorded: RecordedSeries, step_s: float) -> Question:
    """How *rule* is asked.

    Raises: QueryError if its recorded series make it too long.
    """
    expr = inlined(prepared(rule.expr), recorded, step_s)
    parts = [expr, presence(expr)]
    if rule.clear_expr is not None:
        clear = inlined(prepared(rule.clear_expr), recorded, step_s)
        parts += [clear, presence(clear)]
    whole: Node | None = None
    for name, part in zip(_PARTS, parts, strict=False):
        marked = labelled(_vector(part), LabelSet.of({PART: name}))
        whole = marked if whole is None else nodes.Binary("or", whole, marked, Matching())
    assert whole is not None
    return Question(written(_vector(expr)), written(whole))


def reading_of_plain(answer: Vector, own: Mapping[str, str]) -> Reading:
    """The reading that an answer to `plain` gives, with the server's labels *own* on each element."""
    expr = [Element(_overlaid(labels, own), value) for labels, value in answer]
    return Reading(expr, [], frozenset(labels.without_name() for labels, _ in expr), frozenset())


def reading_of_whole(answer: Vector, own: Mapping[str, str]) -> Reading:
    """The reading that an answer to `whole` gives."""
    found: dict[str, Vector] = {name: [] for name in _PARTS}
    only_part = frozenset({PART})
    for labels, value in answer:
        found.setdefault(labels.get(PART, ""), []).append(Element(_overlaid(labels.without(only_part), own), value))
    expr, answerable, clear, clear_answerable = (found[name] for name in _PARTS)
    return Reading(
        expr,
        clear,
        frozenset(labels.without_name() for labels, _ in answerable),
        frozenset(labels.without_name() for labels, _ in clear_answerable),
    )


def recorded_series(rules: Iterable[RecordingRule]) -> RecordedSeries:
    """What recording rules record, by name."""
    found: dict[str, list[Recorded]] = {}
    for rule in rules:
        found.setdefault(rule.name, []).append(Recorded(prepared(rule.expr), LabelSet.of(rule.labels)))
    return found


def is_about_the_bot(rule: Rule | RecordingRule, recorded: RecordedSeries) -> bool:
    """Whether it asks for the bot's own metrics alone, which watch scrapes whoever scrapes the fleet."""
    asked = [rule.expr]
    if isinstance(rule, Rule) and rule.clear_expr is not None:
        asked.append(rule.clear_expr)
    found = [selector for expr in asked for selector in leaves(inlined(prepared(expr), recorded, 1.0))]
    return bool(found) and all(map(_is_the_bots, found))


def _is_the_bots(selector: nodes.Selector) -> bool:
    return any(
        m.operator == "="
        and ((m.name == NAME and m.value.startswith("opsbot_")) or (m.name == "job" and m.value == BOT_JOB))
        for m in selector.matchers
    )


def _vector(node: Node) -> Node:
    """A number counts as no element, in an alert's expression."""
    if not is_number(node):
        return node
    one = nodes.Call("vector", (node,))
    return nodes.Binary("unless", one, one, Matching())


def _overlaid(labels: LabelSet, own: Mapping[str, str]) -> LabelSet:
    """The element's labels as a scraper would add its own: one of the same name becomes `exported_…`."""
    clashes = [name for name in own if name in labels]
    if not clashes:
        return LabelSet.of({**labels, **own}) if own else labels
    renamed = {f"exported_{name}" if name in own else name: value for name, value in labels.items()}
    return LabelSet.of({**renamed, **own})
