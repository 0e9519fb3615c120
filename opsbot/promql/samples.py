"""Samples in memory, bounded in time and in the number of series: a sheet for each target.

A target that stops being scraped, or a series it no longer exposes, gets a stale mark, and is gone at once for instant
selectors, as in Prometheus.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from opsbot.promql.labelset import LabelSet
from opsbot.promql.matcher import Matchers
from opsbot.promql.sheet import Column, Sheet, Window, is_stale
from opsbot.promql.vector import Element, Vector, vector_of


class SampleStore:
    """All series of a watch role.

    Args:
        retention_s: how long samples are kept.
        max_series: more than that many are refused and counted, so that a wild exposition cannot eat the memory; at
            one sample a second a series takes 8 KB.
        max_series_per_sheet: likewise of one target, so that it cannot take the others' room.
    """

    def __init__(
        self, retention_s: float = 900.0, max_series: int = 40_000, max_series_per_sheet: int = 10_000
    ) -> None:
        self._retention_s = retention_s
        self._max_series = max_series
        self._max_series_per_sheet = max_series_per_sheet
        self._retired: set[Hashable] = set()
        self._sheets: dict[Hashable, Sheet] = {}
        self._owners: dict[LabelSet, Sheet] = {}

    @property
    def num_series(self) -> int:
        """How many series are held."""
        return len(self._owners)

    @property
    def num_samples(self) -> int:
        """How many samples are held."""
        return sum(sheet.num_samples for sheet in self._sheets.values())

    @property
    def num_refused(self) -> int:
        """Samples of series beyond the limits, or that another sheet has already."""
        return sum(sheet.num_refused for sheet in self._sheets.values())

    def sheet(self, key: Hashable) -> Sheet:
        """The sheet of what is scraped together under this key; a new one the first time."""
        self._retired.discard(key)
        sheet = self._sheets.get(key)
        if sheet is None:
            sheet = self._sheets[key] = Sheet(self._retention_s, self._admit)
        return sheet

    def sheets(self) -> list[tuple[Hashable, Sheet]]:
        """Every sheet and its key."""
        return list(self._sheets.items())

    def retire(self, key: Hashable) -> None:
        """Drop the sheet once its last sample is forgotten; nothing is added to it any more."""
        self._retired.add(key)

    def forget_older(self, time_s: float) -> None:
        """Drop the series whose newest sample is older than the retention."""
        for sheet in self._sheets.values():
            for labels in sheet.forget_older(time_s - self._retention_s):
                del self._owners[labels]
        for key in [key for key in self._retired if not self._sheets[key].num_series]:
            del self._sheets[key]
            self._retired.discard(key)

    def names(self) -> frozenset[str]:
        """The metric names that have series."""
        return frozenset[str]().union(*(sheet.names for sheet in self._sheets.values()))

    def instant(self, matchers: Matchers, time_s: float) -> Vector:
        """The current value of every series that all matchers accept."""
        vector: Vector = []
        for found in self._columns(matchers, time_s):
            pairs = zip(found.labels, found.values.tolist(), strict=True)
            marks = is_stale(found.values)
            if marks.any():
                vector += vector_of(pair for pair, mark in zip(pairs, marks.tolist(), strict=True) if not mark)
            else:
                vector += vector_of(pairs)
        return vector

    def timestamps(self, matchers: Matchers, time_s: float) -> Vector:
        """When each of those values was scraped."""
        vector: Vector = []
        for found in self._columns(matchers, time_s):
            marks = is_stale(found.values).tolist()
            vector += [Element(one, found.time_s) for one, mark in zip(found.labels, marks, strict=True) if not mark]
        return vector

    def windows(self, matchers: Matchers, start_s: float, end_s: float) -> list[Window]:
        """The samples between start and end of every series that all matchers accept, target by target."""
        found = (sheet.window(matchers, start_s, end_s) for sheet in self._sheets.values())
        return [window for window in found if window is not None]

    def _columns(self, matchers: Matchers, time_s: float) -> Iterator[Column]:
        found = (sheet.instant(matchers, time_s) for sheet in self._sheets.values())
        return (one for one in found if one is not None)

    def _admit(self, labels: LabelSet, sheet: Sheet) -> bool:
        is_full = len(self._owners) >= self._max_series or sheet.num_series >= self._max_series_per_sheet
        if is_full or labels in self._owners:
            return False
        self._owners[labels] = sheet
        return True
