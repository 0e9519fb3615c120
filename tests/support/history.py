"""Builders for what the history works on: series, scrapes over time, and an open file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from opsbot.history.file import Batch, HistoryFile, Limits
from opsbot.promql.block import Block
from opsbot.promql.labelset import NAME, LabelSet
from opsbot.promql.matcher import Matcher, Matchers
from opsbot.promql.sheet import STALE

MISSING = float(np.array([STALE]).view(np.float64)[0])
"""A stale mark: in that scrape the series was not there."""


def series(name: str, **labels: str) -> LabelSet:
    """A series."""
    return LabelSet.of({NAME: name, **labels})


def named(name: str, **labels: str) -> Matchers:
    """What finds the series of a metric with these labels."""
    return (*(Matcher(label, "=", value) for label, value in labels.items()), Matcher(NAME, "=", name))


def block(times: Sequence[float], rows: Mapping[LabelSet, Sequence[float]]) -> Block:
    """Series over times; MISSING where one is not there."""
    return Block(
        tuple(rows), list(times), np.array(list(rows.values()), dtype=np.float64).reshape(len(rows), len(times))
    )


def opened(folder: Path, *, max_series: int = 1000, max_bytes: int = 1 << 30) -> HistoryFile:
    """The history's file in a folder."""
    return HistoryFile(folder / "history.sqlite", Limits(max_series, max_bytes), "then")


def written(file: HistoryFile, key: str, whole: Block, every_s: float = 60.0) -> None:
    """Write a block as watch does: a batch for each *every_s*."""
    start_s = whole.times[0]
    while start_s <= whole.times[-1]:
        part = whole.between(start_s, start_s + every_s - 0.0005)
        if part.times:
            file.write([Batch(key, part)])
        start_s += every_s


def points(found: Sequence[tuple[str, Block]], one: LabelSet) -> list[tuple[float, float]]:
    """The samples of one series among what was read, without stale marks."""
    return [
        (time_s, value)
        for _, whole in found
        for row, labels in enumerate(whole.labels)
        if labels is one
        for time_s, value in zip(whole.times, whole.values[row].tolist(), strict=True)
        if np.array([value]).view(np.uint64)[0] != STALE
    ]
