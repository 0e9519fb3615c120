"""How far back an expression looks, and so at which resolution it is answered.

Watch keeps every sample of the last 15 minutes, of a day one each 10 s, of a week one a minute. A window has one
resolution throughout: that at which its oldest samples are kept. Mixed ones would weigh some minutes more than others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from opsbot.promql import node as nodes
from opsbot.promql.matcher import Matchers
from opsbot.promql.node import Node, When

RAW_S = 900.0
"""Of every sample, in memory."""
FINE_S, FINE_STEP_S = 24 * 3600.0, 10.0
COARSE_S, COARSE_STEP_S = 7 * 24 * 3600.0, 60.0
SLACK_S = 1800.0
"""Each history is kept so much longer than it says, for windows that are answered as of a little earlier."""
EDGE_S = 0.5
"""What was at the edge of the raw samples when a round began is still there."""
FEWEST_SAMPLES = 2
"""In a window; a rate needs two."""
PARTS = 120
"""A long window is answered anew when so small a part of it has passed: the newest part can change it by 1%."""
MAX_REMEMBERED = 4096

Anchor = float | Literal["start", "end"] | None


@dataclass(frozen=True, slots=True)
class Reach:
    """One selector of an expression.

    Args:
        range_s: its own range; 0 for an instant selector.
        back_s: how far before the anchor its oldest sample is, subqueries and offsets around it included.
        anchor: what `@` says, seconds since the epoch or the start or end of the query; None is when it is asked.
    """

    matchers: Matchers
    range_s: float
    back_s: float
    anchor: Anchor = None

    @property
    def step_s(self) -> float:
        """How far apart the samples are that it sees; 0 where it sees every one."""
        return step_at(self.back_s)


def step_at(back_s: float) -> float:
    """How far apart samples are that long ago; 0 where every one is kept."""
    if back_s <= RAW_S + EDGE_S:
        return 0.0
    return FINE_STEP_S if back_s <= FINE_S + SLACK_S else COARSE_STEP_S


@lru_cache(maxsize=MAX_REMEMBERED)
def reaches(node: Node) -> tuple[Reach, ...]:
    """Every selector of an expression."""
    return tuple(_reaches(node, 0.0, None))


@lru_cache(maxsize=MAX_REMEMBERED)
def refresh_s(node: Node) -> float:
    """How often a call is answered anew where rules are evaluated all the time, whole seconds; 0 for each time.

    Only functions over ranges that go further back than the raw samples are remembered.
    """
    if not isinstance(node, nodes.Call):
        return 0.0
    ranges = [argument for argument in node.arguments if isinstance(argument, nodes.Range | nodes.Subquery)]
    found = [reach for argument in ranges for reach in reaches(argument)]
    if not any(reach.step_s for reach in found) or any(reach.anchor is not None for reach in found):
        return 0.0
    longest_s = max(argument.range_s for argument in ranges)
    return max(FINE_STEP_S, longest_s / PARTS // FINE_STEP_S * FINE_STEP_S)


def _reaches(node: Node, back_s: float, anchor: Anchor) -> Iterator[Reach]:
    match node:
        case nodes.Selector():
            back_s, anchor = _moved(node.when, back_s, anchor)
            yield Reach(node.matchers, 0.0, back_s, anchor)
        case nodes.Range():
            back_s, anchor = _moved(node.selector.when, back_s, anchor)
            yield Reach(node.selector.matchers, node.range_s, back_s + node.range_s, anchor)
        case nodes.Subquery():
            back_s, anchor = _moved(node.when, back_s, anchor)
            yield from _reaches(node.inner, back_s + node.range_s, anchor)
        case _:
            for child in _children(node):
                yield from _reaches(child, back_s, anchor)


def _moved(when: When, back_s: float, anchor: Anchor) -> tuple[float, Anchor]:
    return (back_s + when.offset_s, anchor) if when.at is None else (when.offset_s, when.at)


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case nodes.Negation():
            return (node.inner,)
        case nodes.Binary():
            return node.left, node.right
        case nodes.Aggregation():
            return (node.inner,) if node.parameter is None else (node.inner, node.parameter)
        case nodes.Call():
            return node.arguments
    return ()
