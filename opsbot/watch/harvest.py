"""Takes from the samples in memory what the history keeps, each time that one of its steps is over."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from opsbot.history.file import Batch
from opsbot.history.level import FINE
from opsbot.history.thin import is_counter, kept
from opsbot.promql.block import Block
from opsbot.promql.labelset import NAME, LabelSet
from opsbot.promql.samples import SampleStore
from opsbot.promql.sheet import Sheet, Window
from opsbot.watch.sheet_key import key_text

BEFORE_S = 0.0005
"""A step ends half of a sample's resolution before the next one begins."""


@dataclass(slots=True)
class Harvest:
    """What was taken so far."""

    store: SampleStore
    _over_s: float = 0.0
    _taken_s: dict[Hashable, float] = field(default_factory=dict)
    _counters: dict[Hashable, tuple[tuple[LabelSet, ...], NDArray[np.bool_]]] = field(default_factory=dict)

    def restored(self, key: Hashable, newest_s: float) -> None:
        """The samples of a sheet up to then come from the history."""
        self._taken_s[key] = newest_s

    def due(self, now: float) -> list[Batch]:
        """What the fine level keeps of the steps that are over since it was asked last."""
        over_s = math.floor(now / FINE.step_s) * FINE.step_s
        if over_s <= self._over_s:
            return []
        self._over_s = over_s
        sheets = self.store.sheets()
        for gone in self._taken_s.keys() - {key for key, _ in sheets}:
            del self._taken_s[gone]
            self._counters.pop(gone, None)
        found = (self._of_sheet(key, sheet, over_s) for key, sheet in sheets)
        return [batch for batch in found if batch is not None]

    def _of_sheet(self, key: Hashable, sheet: Sheet, over_s: float) -> Batch | None:
        taken_s = self._taken_s.get(key, -math.inf)
        # The last column that was taken says whether a counter fell right after it.
        window = sheet.window((), taken_s, over_s - BEFORE_S)
        if window is None or window.times[-1] <= taken_s:
            return None
        columns = kept(window.times, window.values, self._are_counters(key, window), FINE.step_s)
        columns = columns[np.array(window.times)[columns] > taken_s]
        self._taken_s[key] = window.times[-1]
        times = [window.times[column] for column in columns]
        return Batch(key_text(key), Block(window.labels, times, window.values[:, columns]))

    def _are_counters(self, key: Hashable, window: Window) -> NDArray[np.bool_]:
        known = self._counters.get(key)
        if known is None or known[0] is not window.labels:
            mask = np.array([is_counter(labels[NAME]) for labels in window.labels], dtype=np.bool_)
            known = self._counters[key] = (window.labels, mask)
        return known[1]
