"""Writes a node as PromQL again, for a server that evaluates it in our place."""

from __future__ import annotations

import json
import math
import re

from opsbot.promql import node as nodes
from opsbot.promql.binary import Matching
from opsbot.promql.labelset import NAME
from opsbot.promql.matcher import Matcher
from opsbot.promql.node import Node, When

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_KEYWORDS = frozenset({"inf", "nan", "and", "or", "unless", "by", "without", "on", "ignoring", "offset", "bool"})


def written(node: Node) -> str:
    """PromQL that means *node*."""
    match node:
        case nodes.Number():
            return _number(node.value)
        case nodes.Text():
            return _quoted(node.value)
        case nodes.Negation():
            return f"-({written(node.inner)})"
        case nodes.Selector():
            return _selector(node) + _when(node.when)
        case nodes.Range():
            return f"{_selector(node.selector)}[{_duration(node.range_s)}]{_when(node.selector.when)}"
        case nodes.Subquery():
            span = f"[{_duration(node.range_s)}:{_duration(node.step_s)}]"
            return f"({written(node.inner)}){span}{_when(node.when)}"
        case nodes.Binary():
            return f"({written(node.left)}) {node.op}{_matching(node.matching)} ({written(node.right)})"
        case nodes.Aggregation():
            names = ", ".join(sorted(node.names - {NAME}))
            parameter = f"{written(node.parameter)}, " if node.parameter is not None else ""
            return f"{node.op} {'by' if node.is_by else 'without'} ({names}) ({parameter}{written(node.inner)})"
        case nodes.Call():
            return f"{node.name}({', '.join(map(written, node.arguments))})"


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return repr(value) if math.isfinite(value) else ("Inf" if value > 0 else "-Inf")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def _selector(selector: nodes.Selector) -> str:
    named = next((m for m in selector.matchers if _is_plain_name(m)), None)
    others = [m for m in selector.matchers if m is not named]
    name = named.value if named is not None else ""
    if name and not others:
        return name
    return f"{name}{{{','.join(f'{m.name}{m.operator}{_quoted(m.value)}' for m in others)}}}"


def _is_plain_name(matcher: Matcher) -> bool:
    is_name = matcher.name == NAME and matcher.operator == "="
    return is_name and _METRIC.fullmatch(matcher.value) is not None and matcher.value.lower() not in _KEYWORDS


def _when(when: When) -> str:
    at = "" if when.at is None else f" @ {when.at}()" if isinstance(when.at, str) else f" @ {when.at:.3f}"
    return at + (f" offset {_duration(when.offset_s)}" if when.offset_s else "")


def _matching(matching: Matching) -> str:
    text = " bool" if matching.is_bool else ""
    if matching.names is not None:
        text += f" {'on' if matching.is_on else 'ignoring'} ({', '.join(sorted(matching.names))})"
    if matching.is_many_to_one or matching.is_one_to_many:
        text += f" group_{'left' if matching.is_many_to_one else 'right'} ({', '.join(matching.group_labels)})"
    return text
