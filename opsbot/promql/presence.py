"""What an expression could yield if each of its comparisons held, as an expression of its own.

It asks a server what `Instant.answerable` asks our own samples: for which labels there is data to say whether the
expression holds. What it does not yield has no data, so that an alert's end is told from a lost source.
"""

from __future__ import annotations

import math
from dataclasses import replace

from opsbot.promql import node as nodes
from opsbot.promql.binary import Matching
from opsbot.promql.labelset import LabelSet
from opsbot.promql.node import Node, certain_labels, is_of_presence

_LEAST = nodes.Number(-math.inf)


def presence(node: Node) -> Node:
    """An expression that yields, whatever their values, the label sets that *node* could yield."""
    if not is_of_presence(node):
        return node
    match node:
        case nodes.Negation():
            return nodes.Negation(presence(node.inner))
        case nodes.Subquery():
            return nodes.Subquery(presence(node.inner), node.range_s, node.step_s, node.when)
        case nodes.Binary() if node.is_filter:
            return _known(node)
        case nodes.Binary() if node.op == "unless":
            return presence(node.left)
        case nodes.Binary():
            return nodes.Binary(node.op, presence(node.left), presence(node.right), node.matching)
        case nodes.Aggregation() if node.op in ("topk", "bottomk"):
            return presence(node.inner)
        case nodes.Aggregation():
            return nodes.Aggregation(node.op, presence(node.inner), node.parameter, node.is_by, node.names)
        case nodes.Call() if node.name in ("absent", "absent_over_time"):
            return labelled(nodes.Call("vector", (nodes.Number(1.0),)), certain_labels(node.arguments[0]))
        case nodes.Call():
            return nodes.Call(node.name, tuple(map(presence, node.arguments)))
    return node


def labelled(node: Node, labels: LabelSet) -> Node:
    """The elements of *node* with *labels* on each."""
    for name, value in labels.pairs:
        # The replacement of label_replace takes a dollar sign for a group.
        texts = (name, value.replace("$", "$$"), "", "")
        node = nodes.Call("label_replace", (node, *map(nodes.Text, texts)))
    return node


def is_number(node: Node) -> bool:
    """Whether it yields one number, not a vector."""
    match node:
        case nodes.Number():
            return True
        case nodes.Call():
            return node.name in ("time", "scalar")
        case nodes.Negation():
            return is_number(node.inner)
        case nodes.Binary():
            return is_number(node.left) and is_number(node.right)
    return False


def _known(node: nodes.Binary) -> Node:
    """The comparison's elements if it held for every two numbers."""
    left, right = presence(node.left), presence(node.right)
    if is_number(left):
        return _where_known(right, left)
    if is_number(right):
        return _where_known(left, right)
    return nodes.Binary(node.op, _no_nan(left), _no_nan(right), replace(node.matching, is_bool=True))


def _where_known(vector: Node, number: Node) -> Node:
    if isinstance(number, nodes.Number) and not math.isnan(number.value):
        return _no_nan(vector)
    is_there = _no_nan(nodes.Call("vector", (number,)))
    return nodes.Binary("and", _no_nan(vector), is_there, Matching(is_on=True, names=frozenset()))


def _no_nan(vector: Node) -> Node:
    return nodes.Binary(">=", vector, _LEAST, Matching())
