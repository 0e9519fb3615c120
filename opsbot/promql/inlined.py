"""Puts a recorded series' own expression in the place of its name, for a server that does not record it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from opsbot.promql import node as nodes
from opsbot.promql.binary import Matching
from opsbot.promql.labelset import NAME, LabelSet
from opsbot.promql.matcher import Matchers
from opsbot.promql.node import Node, When
from opsbot.promql.presence import is_number, labelled
from opsbot.promql.syntax import QueryError

MAX_NODES = 2_000
"""Of an expression in all; recorded series that ask for each other could grow without end."""
MARK = "opsbot_mark"
"""A label that only filters within a query and is gone from its answer."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a recorded series is made of: its expression, and the labels that it adds."""

    node: Node
    labels: LabelSet


RecordedSeries = Mapping[str, Sequence[Recorded]]
"""By name; several of one name have different labels."""


def inlined(node: Node, recorded: RecordedSeries, step_s: float) -> Node:
    """*node* without any name of *recorded*: each stands for its expression, seen over time in steps of *step_s*.

    Raises: QueryError if it grows beyond reason.
    """
    return _Inliner(recorded, step_s).put(node)


def leaves(node: Node) -> Iterator[nodes.Selector]:
    """Every selector in it."""
    if isinstance(node, nodes.Selector):
        yield node
    for child in _children(node):
        yield from leaves(child)


class _Inliner:
    def __init__(self, recorded: RecordedSeries, step_s: float) -> None:
        self._recorded = recorded
        self._step_s = step_s
        self._num_nodes = 0

    def put(self, node: Node) -> Node:
        self._num_nodes += 1
        if self._num_nodes > MAX_NODES:
            raise QueryError("with its recorded series written out the expression is too long for a server")
        match node:
            case nodes.Selector():
                found = self._found(node)
                return node if found is None else _shifted(found, node.when)
            case nodes.Range():
                found = self._found(node.selector)
                return node if found is None else nodes.Subquery(found, node.range_s, self._step_s, node.selector.when)
        return _with_children(node, self.put)

    def _found(self, selector: nodes.Selector) -> Node | None:
        """The expression whose elements the selector would find, as of now."""
        name = next((m.value for m in selector.matchers if m.name == NAME and m.operator == "="), None)
        recorded = self._recorded.get(name, ()) if name is not None else ()
        if not recorded:
            return None
        found, *more = map(self._of_one, recorded)
        for other in more:
            found = nodes.Binary("or", found, other, Matching())
        return _filtered(found, tuple(m for m in selector.matchers if m.name != NAME))

    def _of_one(self, recorded: Recorded) -> Node:
        found = self.put(recorded.node)
        return labelled(nodes.Call("vector", (found,)) if is_number(found) else found, recorded.labels)


def _filtered(node: Node, matchers: Matchers) -> Node:
    """Those elements that the matchers accept; PromQL filters what is computed by a label that some of it gets."""
    for matcher in matchers:
        pattern = matcher.value if matcher.operator in ("=~", "!~") else re.escape(matcher.value)
        marked = nodes.Call("label_replace", (node, *_texts(MARK, "1", matcher.name, pattern)))
        mark = labelled(nodes.Call("vector", (nodes.Number(1.0),)), LabelSet.of({MARK: "1"}))
        operator = "and" if matcher.operator in ("=", "=~") else "unless"
        kept = nodes.Binary(operator, marked, mark, Matching(is_on=True, names=frozenset({MARK})))
        node = nodes.Call("label_replace", (kept, *_texts(MARK, "", "", "")))
    return node


def _texts(*texts: str) -> tuple[nodes.Text, ...]:
    return tuple(map(nodes.Text, texts))


def _shifted(node: Node, when: When) -> Node:
    """What *node* was at another time: `@` and `offset` are for selectors only."""
    if when == When():
        return node
    match node:
        case nodes.Selector():
            return nodes.Selector(node.matchers, _moved(node.when, when))
        case nodes.Subquery():
            return nodes.Subquery(node.inner, node.range_s, node.step_s, _moved(node.when, when))
        case nodes.Call() if node.name == "time":
            if isinstance(when.at, float):
                return nodes.Number(when.at - when.offset_s)
            return nodes.Binary("-", node, nodes.Number(when.offset_s), Matching())
        case nodes.Range():
            moved = nodes.Selector(node.selector.matchers, _moved(node.selector.when, when))
            return nodes.Range(moved, node.range_s)
    return _with_children(node, lambda child: _shifted(child, when))


def _moved(inner: When, outer: When) -> When:
    return inner if inner.at is not None else When(outer.at, inner.offset_s + outer.offset_s)


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case nodes.Negation() | nodes.Subquery():
            return (node.inner,)
        case nodes.Range():
            return (node.selector,)
        case nodes.Binary():
            return node.left, node.right
        case nodes.Aggregation():
            return (node.inner,) if node.parameter is None else (node.parameter, node.inner)
        case nodes.Call():
            return node.arguments
    return ()


def _with_children(node: Node, change: Callable[[Node], Node]) -> Node:
    match node:
        case nodes.Negation() | nodes.Subquery():
            return replace(node, inner=change(node.inner))
        case nodes.Binary():
            return replace(node, left=change(node.left), right=change(node.right))
        case nodes.Aggregation():
            parameter = change(node.parameter) if node.parameter is not None else None
            return replace(node, parameter=parameter, inner=change(node.inner))
        case nodes.Call():
            return replace(node, arguments=tuple(map(change, node.arguments)))
    return node
