"""Blocks as a source to evaluate on, filled for the matchers that will be asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from opsbot.promql.block import Block
from opsbot.promql.matcher import Matchers
from opsbot.promql.sheet import Column, Window, is_stale
from opsbot.promql.vector import Element, Vector, vector_of


@dataclass(slots=True)
class BlockSource:
    """Series that were read beforehand; what was not is not there."""

    blocks: dict[Matchers, list[Block]] = field(default_factory=dict)

    def instant(self, matchers: Matchers, time_s: float) -> Vector:
        """The value of every series at a time."""
        vector: Vector = []
        for found in self._columns(matchers, time_s):
            triples = zip(found.labels, found.values.tolist(), is_stale(found.values).tolist(), strict=True)
            vector += vector_of((labels, value) for labels, value, mark in triples if not mark)
        return vector

    def timestamps(self, matchers: Matchers, time_s: float) -> Vector:
        """When each of those values was scraped."""
        vector: Vector = []
        for found in self._columns(matchers, time_s):
            marks = is_stale(found.values).tolist()
            vector += [Element(one, found.time_s) for one, mark in zip(found.labels, marks, strict=True) if not mark]
        return vector

    def windows(self, matchers: Matchers, start_s: float, end_s: float) -> list[Window]:
        """The samples between start and end."""
        found = (block.window(start_s, end_s) for block in self.blocks.get(matchers, ()))
        return [window for window in found if window is not None]

    def _columns(self, matchers: Matchers, time_s: float) -> Iterator[Column]:
        found = (block.instant(time_s) for block in self.blocks.get(matchers, ()))
        return (one for one in found if one is not None)
