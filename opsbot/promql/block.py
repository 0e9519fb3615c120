"""Samples that do not change any more: of one sheet, some series in a span of time. Cut, joined and asked."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from opsbot.promql.labelset import LabelSet
from opsbot.promql.sheet import LOOKBACK_S, STALE, Column, Values, Window, is_stale, round_ms


@dataclass(frozen=True, slots=True)
class Block:
    """Some series of one sheet.

    Shapes: values is [series, times]; where a series has no sample there is a stale mark. Times ascend.
    """

    labels: tuple[LabelSet, ...]
    times: list[float]
    values: Values

    def between(self, start_s: float, end_s: float) -> Block:
        """The part between start and end, both included."""
        first, last = bisect_left(self.times, start_s), bisect_right(self.times, end_s)
        return Block(self.labels, self.times[first:last], self.values[:, first:last])

    def window(self, start_s: float, end_s: float) -> Window | None:
        """That part as a window; None if there is none."""
        part = self.between(start_s, end_s)
        if not part.times:
            return None
        return Window(self.labels, tuple(one.without_name() for one in self.labels), part.times, part.values)

    def instant(self, time_s: float) -> Column | None:
        """The newest values at or before *time_s*, unless they are too old; stale ones are marked."""
        column = bisect_right(self.times, time_s) - 1
        if column < 0 or self.times[column] < round_ms(time_s - LOOKBACK_S):
            return None
        return Column(self.labels, self.times[column], self.values[:, column])


def stale(num_series: int, num_times: int) -> Values:
    """Nothing but stale marks."""
    return np.full((num_series, num_times), STALE).view(np.float64)


def joined(parts: Sequence[Block]) -> Block:
    """One sheet's blocks, each later than the one before, as one; its series are those of all."""
    parts = [part for part in parts if part.times]
    if len(parts) == 1:
        return parts[0]
    if parts and all(part.labels is parts[0].labels for part in parts):
        return Block(parts[0].labels, times_of(parts), np.concatenate([part.values for part in parts], axis=1))
    row_of: dict[LabelSet, int] = {}
    for part in parts:
        for labels in part.labels:
            row_of.setdefault(labels, len(row_of))
    times = times_of(parts)
    values = stale(len(row_of), len(times))
    column = 0
    for part in parts:
        rows = np.array([row_of[labels] for labels in part.labels], dtype=np.intp)
        values[rows, column : column + len(part.times)] = part.values
        column += len(part.times)
    return Block(tuple(row_of), times, values)


def times_of(parts: Sequence[Block]) -> list[float]:
    """All their times, one part after the other."""
    return [time_s for part in parts for time_s in part.times]


def distinct(blocks: Iterable[Block]) -> list[Block]:
    """The blocks, but a series that is in several of them (it moved from one sheet to another) is in one of its own."""
    found = [block for block in blocks if block.times]
    counted = Counter(labels for block in found for labels in block.labels)
    moved = {labels for labels, count in counted.items() if count > 1}
    if not moved:
        return found
    singles: dict[LabelSet, dict[float, float]] = {labels: {} for labels in moved}
    rest: list[Block] = []
    for block in found:
        keeps = [row for row, labels in enumerate(block.labels) if labels not in moved]
        if keeps:
            rest.append(Block(tuple(block.labels[row] for row in keeps), block.times, block.values[keeps]))
        for row, labels in enumerate(block.labels):
            if labels in moved:
                marks = is_stale(block.values[row]).tolist()
                samples = zip(block.times, block.values[row].tolist(), marks, strict=True)
                singles[labels] |= {time_s: value for time_s, value, mark in samples if not mark}
    for labels, points in singles.items():
        if points:
            times = sorted(points)
            rest.append(Block((labels,), times, np.array([[points[time_s] for time_s in times]])))
    return rest


def united(parts: Sequence[Block]) -> Block:
    """One sheet's blocks of different series as one, over all their times."""
    if len(parts) == 1:
        return parts[0]
    times = sorted({time_s for part in parts for time_s in part.times})
    column_of = {time_s: column for column, time_s in enumerate(times)}
    labels = tuple(one for part in parts for one in part.labels)
    values, row = stale(len(labels), len(times)), 0
    for part in parts:
        columns = [column_of[time_s] for time_s in part.times]
        values[row : row + len(part.labels), columns] = part.values
        row += len(part.labels)
    return Block(labels, times, values)
