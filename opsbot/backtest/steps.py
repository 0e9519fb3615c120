"""At which instants rules are evaluated, in windows that are read one after the other. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opsbot.backtest.finding import Stretch

MAX_STEPS = 1_000_000
"""Of one backtest: seven days of them, one a second, are 604,800."""


@dataclass(frozen=True, slots=True)
class Window:
    """Evenly spaced instants.

    Args:
        resolution_s: how far apart the samples are in it.
    """

    first_s: float
    step_s: float
    count: int
    resolution_s: float

    @property
    def times(self) -> Iterator[float]:
        """Its instants."""
        return (round(self.first_s + index * self.step_s, 3) for index in range(self.count))

    @property
    def last_s(self) -> float:
        """Its last instant."""
        return round(self.first_s + (self.count - 1) * self.step_s, 3)


def stretches(
    since_s: float, until_s: float, fine_since_s: float, fine_s: float, coarse_s: float, step_s: float | None
) -> list[Stretch]:
    """The parts of a time by the resolution of what was recorded; the coarse one comes first.

    Args:
        fine_since_s: since when samples are *fine_s* apart; before they are *coarse_s* apart.
        step_s: between two evaluations; None for one for each sample.
    """
    # Where fine samples begin within a coarse step, that step is still a coarse one.
    edge_s = since_s if fine_since_s <= since_s else min(math.ceil(fine_since_s / coarse_s) * coarse_s, until_s)
    parts = [(since_s, edge_s, coarse_s), (edge_s, until_s, fine_s)]
    return [Stretch(begin_s, end_s, apart_s, step_s or apart_s) for begin_s, end_s, apart_s in parts if begin_s < end_s]


def windows(parts: Sequence[Stretch], most_steps: int) -> Iterator[Window]:
    """Windows of at most so many instants, each at a multiple of its step, over all parts in order."""
    after_s = -math.inf
    for part in parts:
        index = math.ceil(round(part.begins_at / part.step_s, 6))
        last = math.floor(round(part.ends_at / part.step_s, 6))
        while index <= last and index * part.step_s <= after_s:
            index += 1
        while index <= last:
            count = min(most_steps, last - index + 1)
            window = Window(round(index * part.step_s, 3), part.step_s, count, part.resolution_s)
            yield window
            after_s, index = window.last_s, index + count


def num_steps(parts: Sequence[Stretch]) -> int:
    """How many instants there are in all, at most."""
    return sum(math.floor((part.ends_at - part.begins_at) / part.step_s) + 1 for part in parts)
