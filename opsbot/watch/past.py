"""What queries see beyond the raw samples: read from the history's file beforehand, in its thread.

One such query at a time, so that memory holds the samples of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import promql_parser as tree

from opsbot.history.keeper import HistoryKeeper
from opsbot.history.level import COARSE, FINE, Level, is_raw, level_at
from opsbot.history.thin import is_counter, kept
from opsbot.promql.block import Block, distinct, joined
from opsbot.promql.blocks import BlockSource
from opsbot.promql.labelset import NAME
from opsbot.promql.matcher import Matchers
from opsbot.promql.node import prepared
from opsbot.promql.reach import FINE_S, SLACK_S, Reach, reaches
from opsbot.promql.samples import SampleStore
from opsbot.promql.sheet import LOOKBACK_S
from opsbot.promql.source import SeriesSource
from opsbot.watch.layers import Layers
from opsbot.watch.sheet_key import key_text

Span = tuple[float, float]


@dataclass(slots=True)
class Past:
    """All that queries can be asked over.

    Args:
        keeper: None where nothing durable is kept.
    """

    raw: SampleStore
    keeper: HistoryKeeper | None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def source(self, expr: tree.Expr, span: Span, now: float) -> AsyncIterator[SeriesSource]:
        """Where to evaluate *expr* at the instants of *span*.

        Raises: QueryError if too much would be read, SourceError if the file cannot be read.
        """
        needed = _needed(expr, span, now) if self.keeper is not None else {}
        if self.keeper is None or not needed:
            yield self.raw
            return
        async with self._turn:
            levels = {FINE: BlockSource(), COARSE: BlockSource()}
            for (matchers, level), (start_s, end_s) in needed.items():
                blocks = await self.keeper.read(matchers, level, start_s, end_s)
                levels[level].blocks[matchers] = self._with_newest(blocks, matchers, level, start_s, end_s)
            yield Layers(self.raw, levels.__getitem__, now)

    def _with_newest(
        self, blocks: list[tuple[str, Block]], matchers: Matchers, level: Level, start_s: float, end_s: float
    ) -> list[Block]:
        """What was read, and after it what is still in memory only."""
        parts: dict[str, list[Block]] = {}
        for key, block in blocks:
            parts.setdefault(key, []).append(block)
        for raw_key, sheet in self.raw.sheets():
            key = key_text(raw_key)
            since_s = parts[key][-1].times[-1] if key in parts else start_s
            window = sheet.window(matchers, since_s, end_s)
            if window is None:
                continue
            counters = np.array([is_counter(labels[NAME]) for labels in window.labels], dtype=np.bool_)
            columns = kept(window.times, window.values, counters, level.step_s)
            columns = columns[np.array(window.times)[columns] > since_s]
            times = [window.times[column] for column in columns]
            parts.setdefault(key, []).append(Block(window.labels, times, window.values[:, columns]))
        return distinct(joined(found) for found in parts.values())


def _needed(expr: tree.Expr, span: Span, now: float) -> dict[tuple[Matchers, Level], Span]:
    """What must be read: for each selector and level the oldest and the newest time."""
    needed: dict[tuple[Matchers, Level], Span] = {}
    for reach in reaches(prepared(expr)):
        oldest_s, newest_s = _between(reach, span)
        if is_raw(oldest_s, now):
            continue
        levels = [FINE] if level_at(oldest_s, now) is FINE else [COARSE, FINE]
        for level in levels:
            start_s = max(oldest_s, now - FINE_S - SLACK_S) if level is FINE else oldest_s
            if start_s > newest_s:
                continue
            before = needed.get((reach.matchers, level), (start_s, newest_s))
            needed[reach.matchers, level] = min(before[0], start_s), max(before[1], newest_s)
    return needed


def _between(reach: Reach, span: Span) -> Span:
    """Between which times the samples are that a selector sees."""
    match reach.anchor:
        case None:
            first_s, last_s = span
        case "start":
            first_s = last_s = span[0]
        case "end":
            first_s = last_s = span[1]
        case at:
            first_s = last_s = at
    look_back_s = reach.back_s if reach.range_s else reach.back_s + LOOKBACK_S
    return first_s - look_back_s, max(last_s, last_s - (reach.back_s - reach.range_s))
