"""What rules see beyond the raw samples: the thinned samples of just those series that they ask for, in memory.

Filled from the history's file when watch starts or the rules change, and kept up as samples are thinned. So a round
never waits for a disk, and memory holds what is asked for and no more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import promql_parser as tree

from opsbot.clock import Clock
from opsbot.errors import SourceError
from opsbot.history.file import Batch
from opsbot.history.keeper import HistoryKeeper
from opsbot.history.level import COARSE, FINE, LEVELS, Level
from opsbot.history.thin import is_counter, kept
from opsbot.promql.block import Block, joined, united
from opsbot.promql.evaluate import Instant
from opsbot.promql.labelset import NAME, LabelSet
from opsbot.promql.node import prepared
from opsbot.promql.reach import FINE_S, SLACK_S, Reach, reaches
from opsbot.promql.remembered import Remembered
from opsbot.promql.samples import SampleStore
from opsbot.promql.sheet import LOOKBACK_S
from opsbot.watch.layers import Layers
from opsbot.watch.level_memory import LevelMemory

FORGOTTEN_S = 900.0
"""The rest of a minute that nothing came after for so long is not waited for any more."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class LongWindows:
    """The source that rules are evaluated on.

    Args:
        keeper: None where nothing durable is kept; then long windows begin when watch does.
    """

    raw: SampleStore
    keeper: HistoryKeeper | None
    clock: Clock
    remembered: Remembered = field(default_factory=Remembered)
    _levels: dict[Level, LevelMemory] = field(default_factory=dict)
    _next: dict[Level, LevelMemory] | None = None
    _late: list[Batch] = field(default_factory=list)
    _minute: dict[str, list[Block]] = field(default_factory=dict)
    _is_changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def num_samples(self) -> int:
        """Thinned samples in memory."""
        return sum(memory.store.num_samples for memory in self._levels.values())

    def at(self, now: float) -> Instant:
        """What rules are evaluated on now."""
        return Instant(Layers(self.raw, self._memory, now), now, remembered=self.remembered)

    def need(self, exprs: Iterable[tree.Expr]) -> None:
        """Say what the rules in force ask for; what is new is filled in soon (`fill`)."""
        wanted = _memories([reach for expr in exprs for reach in reaches(prepared(expr))])
        if {level: (one.wanted, one.kept_s) for level, one in wanted.items()} == {
            level: (one.wanted, one.kept_s)
            for level, one in (self._levels if self._next is None else self._next).items()
        }:
            return
        self._next = wanted
        self._is_changed.set()

    def take(self, batches: Sequence[Batch]) -> None:
        """Take what the fine level keeps of the steps that are over."""
        for batch in batches:
            self._append(self._levels, batch)
        if self._next is not None:
            self._late += batches

    async def fill_forever(self) -> None:
        """Fill in what is needed anew, until cancelled."""
        while True:
            await self._is_changed.wait()
            await self.fill()

    async def fill(self) -> None:
        """Fill in what is needed anew from the file, and then use it."""
        self._is_changed.clear()
        filled = self._next
        if filled is None:
            return
        self._late.clear()
        for memory in filled.values():
            try:
                await self._fill_one(memory)
            except SourceError as error:
                logger.error("rules over long windows begin anew: %s", error)
        if filled is not self._next:
            return  # the rules changed again meanwhile
        self._levels, self._next = filled, None
        for batch in self._late:
            self._append(filled, batch)
        self._late.clear()
        self._minute.clear()
        self.remembered.clear()

    def forget_older(self, now: float) -> None:
        """Drop the series of which nothing is left."""
        for memory in self._levels.values():
            memory.forget_older(now)
        for key in [key for key, parts in self._minute.items() if parts[-1].times[-1] < now - FORGOTTEN_S]:
            del self._minute[key]

    async def _fill_one(self, memory: LevelMemory) -> None:
        if self.keeper is None:
            return
        now = self.clock.now()
        await self.keeper.written(now)
        found: dict[str, list[Block]] = {}
        seen: set[LabelSet] = set()
        for matchers in memory.wanted:
            read = await self.keeper.read(matchers, memory.level, now - memory.kept_s, now)
            # Of a series that moved from one sheet to another the newer sheet's part counts.
            for key, block in sorted(read, key=lambda one: -one[1].times[-1]):
                rows = [row for row, labels in enumerate(block.labels) if labels not in seen]
                if rows:
                    own = tuple(block.labels[row] for row in rows)
                    seen.update(own)
                    found.setdefault(key, []).append(Block(own, block.times, block.values[rows]))
        for key, parts in found.items():
            memory.append(key, united(parts))
            await asyncio.sleep(0)

    def _memory(self, level: Level) -> SampleStore | LevelMemory:
        return self._levels.get(level) or SampleStore()

    def _append(self, levels: dict[Level, LevelMemory], batch: Batch) -> None:
        if FINE in levels:
            levels[FINE].append(batch.key, batch.block)
        if COARSE in levels:
            minute = self._minuted(batch)
            if minute is not None:
                levels[COARSE].append(batch.key, minute)

    def _minuted(self, batch: Batch) -> Block | None:
        """What the coarse level keeps, once a minute is over."""
        parts = self._minute.setdefault(batch.key, [])
        parts.append(batch.block)
        if parts[0].times[0] // COARSE.step_s == batch.block.times[-1] // COARSE.step_s:
            return None
        whole = joined(parts)
        over_s = whole.times[-1] // COARSE.step_s * COARSE.step_s
        counters = np.array([is_counter(labels[NAME]) for labels in whole.labels], dtype=np.bool_)
        columns = [int(one) for one in kept(whole.times, whole.values, counters, COARSE.step_s)]
        columns = [column for column in columns if whole.times[column] < over_s]
        # What began the next minute waits; the last of this one says whether a counter fell right after it.
        parts[:] = [whole.between(whole.times[columns[-1]], whole.times[-1])]
        return Block(whole.labels, [whole.times[column] for column in columns], whole.values[:, columns])


def _memories(found: Sequence[Reach]) -> dict[Level, LevelMemory]:
    """An empty memory of each level that is needed."""
    long = [reach for reach in found if reach.step_s and reach.anchor is None]
    memories: dict[Level, LevelMemory] = {}
    for level in LEVELS:
        own = [reach for reach in long if level is FINE or reach.step_s == level.step_s]
        if own:
            longest_s = max(reach.back_s for reach in own) + LOOKBACK_S
            kept_s = min(longest_s, FINE_S) if level is FINE else longest_s
            memories[level] = LevelMemory(level, frozenset(reach.matchers for reach in own), kept_s + SLACK_S)
    return memories
