"""promtool's notation of series: `vllm:kv_cache_usage_perc{cluster="eu-1"}` with `0.5 0.9x10 1+2x5 _ stale`.

A value stands for one interval. `axn` is a, n times more; `a+bxn` and `a-bxn` count up and down; `_` is no sample,
`_xn` n of them; `stale` ends the series at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from opsbot.promql import node as nodes
from opsbot.promql.labelset import LabelSet
from opsbot.promql.node import prepared
from opsbot.promql.syntax import QueryError, parse

MAX_VALUES = 100_000
"""Of one series: a day and more at one a second."""

Value = float | Literal["stale"] | None
"""None: no sample."""

_NUMBER = r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|Inf|inf|NaN|nan)"
_ITEM = re.compile(rf"(?P<first>{_NUMBER})(?:(?P<step>[-+](?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?))?(?:x(?P<count>\d+))?")
_GAP = re.compile(r"_(?:x(?P<count>\d+))?")


class NotationError(ValueError):
    """A series that cannot be read."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series: its labels with its name, and a value for each interval from the beginning."""

    labels: LabelSet
    values: tuple[Value, ...]


def series(name: str, values: str) -> Series:
    """The series that is written so; raises NotationError."""
    return Series(labels_of(name), values_of(values))


def labels_of(text: str) -> LabelSet:
    """The labels of `name{label="value"}`, the name among them; raises NotationError."""
    try:
        node = prepared(parse(text))
    except QueryError as error:
        raise NotationError(str(error)) from error
    if not isinstance(node, nodes.Selector) or node.when.at is not None or node.when.offset_s:
        raise NotationError(f'{text!r} is no series; write name{{label="value"}}')
    if any(matcher.operator != "=" for matcher in node.matchers):
        raise NotationError(f"{text!r} is not one series: its labels must be given with `=`")
    labels = LabelSet.of({matcher.name: matcher.value for matcher in node.matchers})
    if "__name__" not in labels:
        raise NotationError(f"{text!r} has no name")
    return labels


def values_of(text: str) -> tuple[Value, ...]:
    """The values that are written so; raises NotationError."""
    found: list[Value] = []
    for item in text.split():
        found += _item(item, MAX_VALUES - len(found))
    if not found:
        raise NotationError("there are no values")
    return tuple(found)


def _item(text: str, room: int) -> list[Value]:
    if text == "stale":
        return ["stale"]
    gap = _GAP.fullmatch(text)
    if gap is not None:
        return [None] * _bounded(1 if gap["count"] is None else int(gap["count"]), room)
    match = _ITEM.fullmatch(text)
    if match is None or (match["step"] is not None and match["count"] is None):
        raise NotationError(f"{text!r} is no value; write numbers, 0x5, 1+2x10, _ or stale")
    first = float(match["first"])
    if match["count"] is None:
        return [first]
    step = float(match["step"] or 0)
    count = _bounded(int(match["count"]) + 1, room)
    return [first + step * index for index in range(count)]


def _bounded(count: int, room: int) -> int:
    if count > room:
        raise NotationError(f"more than {MAX_VALUES} values; take a larger interval")
    return count
