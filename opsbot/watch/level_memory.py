"""Thinned samples in memory, of one level and of those series that rules ask for over long windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from opsbot.history.level import Level
from opsbot.promql.block import Block
from opsbot.promql.labelset import LabelSet
from opsbot.promql.matcher import Matchers
from opsbot.promql.samples import SampleStore
from opsbot.promql.sheet import Window
from opsbot.promql.syntax import QueryError
from opsbot.promql.vector import Vector
from opsbot.watch.sheet_key import key_of, key_text

MAX_SAMPLES = 8_000_000
"""Of one level, 64 MB."""


@dataclass(slots=True)
class LevelMemory:
    """The thinned samples of one level that rules ask for."""

    level: Level
    wanted: frozenset[Matchers]
    kept_s: float
    store: SampleStore = field(init=False)
    max_series: int = field(init=False)
    _tests: list[list[tuple[str, Callable[[str], bool]]]] = field(init=False)
    _rows: dict[str, tuple[Sequence[LabelSet], NDArray[np.intp], tuple[LabelSet, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.max_series = max(1, int(MAX_SAMPLES / (self.kept_s / self.level.step_s)))
        # No share of one target: what it refused below the whole limit would be missing silently.
        self.store = SampleStore(self.kept_s, self.max_series, self.max_series)
        self._tests = [[(m.name, m.compiled()) for m in matchers] for matchers in self.wanted]

    def append(self, key: str, block: Block) -> None:
        """Add what rules ask for; what is not newer than what is there is ignored."""
        rows, labels = self._wanted_rows(key, block.labels)
        if not labels:
            return
        sheet = self.store.sheet(key_of(key))
        for column, time_s in enumerate(block.times):
            sheet.append(time_s, labels, block.values[rows, column].tolist())

    def forget_older(self, now: float) -> None:
        """Drop the series of which nothing is left, and what was remembered of targets that have none."""
        for key, sheet in self.store.sheets():
            if not sheet.num_series:
                self.store.retire(key)
        self.store.forget_older(now)
        known = {key_text(key) for key, _ in self.store.sheets()}
        for gone in self._rows.keys() - known:
            del self._rows[gone]

    def instant(self, matchers: Matchers, time_s: float) -> Vector:
        """See `SeriesSource`."""
        return self._whole().instant(matchers, time_s)

    def timestamps(self, matchers: Matchers, time_s: float) -> Vector:
        """See `SeriesSource`."""
        return self._whole().timestamps(matchers, time_s)

    def windows(self, matchers: Matchers, start_s: float, end_s: float) -> list[Window]:
        """See `SeriesSource`."""
        return self._whole().windows(matchers, start_s, end_s)

    def _whole(self) -> SampleStore:
        if self.store.num_refused and self.store.num_series >= self.max_series:
            raise QueryError(
                f"the rules' long windows need more than {self.max_series} series, which is what memory has room for; "
                "record a sum over fewer labels and ask for that, or take shorter windows"
            )
        return self.store

    def _wanted_rows(self, key: str, labels: tuple[LabelSet, ...]) -> tuple[NDArray[np.intp], tuple[LabelSet, ...]]:
        known = self._rows.get(key)
        if known is None or known[0] is not labels:
            rows = [row for row, one in enumerate(labels) if self._is_wanted(one)]
            known = labels, np.array(rows, dtype=np.intp), tuple(labels[row] for row in rows)
            self._rows[key] = known
        return known[1], known[2]

    def _is_wanted(self, labels: LabelSet) -> bool:
        return any(all(test(labels.get(name, "")) for name, test in tests) for tests in self._tests)
