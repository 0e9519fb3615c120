"""The samples of what is scraped together: a row for each series, a column for each scrape.

All series of a scrape have its time, so a sample costs eight bytes, and a window of many series is one array. A
series that a scrape does not have is stale in its column. Columns are kept in chunks: whole ones are added and
dropped, nothing is ever moved.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opsbot.promql.labelset import NAME, LabelSet
from opsbot.promql.matcher import Matchers

LOOKBACK_S = 300.0
"""How far back an instant selector looks; Prometheus's default."""
COLUMNS = 64
"""Of a chunk: that many scrapes more than the retention are held at most."""
STALE = np.uint64(0x7FF0000000000002)
"""The bits of a stale mark, Prometheus's own: a NaN that no text and no arithmetic yields."""
MAX_SELECTIONS = 1024

Values = NDArray[np.float64]
Rows = slice | NDArray[np.intp]


def round_ms(time_s: float) -> float:
    """Whole milliseconds, Prometheus's own resolution: only so is a sample exactly at an edge exactly at it."""
    return round(time_s, 3)


def is_stale(values: Values) -> NDArray[np.bool_]:
    """Which of the values are stale marks."""
    marks: NDArray[np.bool_] = values.view(np.uint64) == STALE
    return marks


@dataclass(frozen=True, slots=True)
class Window:
    """The samples of some series in a span of time.

    Shapes: values is [series, times]; where a series has no sample there is a stale mark.
    """

    labels: tuple[LabelSet, ...]
    nameless: tuple[LabelSet, ...]
    times: list[float]
    values: Values


@dataclass(frozen=True, slots=True)
class Column:
    """The values of some series in one scrape; a series that it does not have has a stale mark."""

    labels: tuple[LabelSet, ...]
    time_s: float
    values: Values


@dataclass(frozen=True, slots=True)
class _Selection:
    labels: tuple[LabelSet, ...]
    nameless: tuple[LabelSet, ...]
    rows: Rows
    end: int
    """One more than the largest row."""


class _Chunk:
    """COLUMNS scrapes."""

    __slots__ = ("num_samples", "times", "values")

    def __init__(self, num_rows: int) -> None:
        self.times: list[float] = []
        self.values = _stale(num_rows)
        self.num_samples = 0

    def add(self, time_s: float, rows: NDArray[np.intp], values: Values) -> None:
        self.values[rows, len(self.times)] = values
        self.times.append(time_s)
        self.num_samples += len(rows)

    def widen(self, num_rows: int) -> None:
        if num_rows > len(self.values):
            self.values = np.vstack([self.values, _stale(num_rows - len(self.values))])

    def part(self, selection: _Selection, first: int, last: int) -> Values:
        """The selected rows of some columns; a row that came later than this chunk has stale marks."""
        if selection.end <= len(self.values):
            return self.values[selection.rows, first:last]
        rows = np.arange(selection.end)[selection.rows]
        known = rows < len(self.values)
        found = _stale(len(rows))[:, : last - first]
        found[known] = self.values[rows[known], first:last]
        return found


class Sheet:
    """What one target exposes, over time.

    Args:
        admit: asked for each new series; what it refuses is not kept.
    """

    def __init__(self, retention_s: float, admit: Callable[[LabelSet, Sheet], bool]) -> None:
        self._retention_s = retention_s
        self._admit = admit
        self._chunks: list[_Chunk] = []
        self._row_of: dict[LabelSet, int] = {}
        self._free: list[int] = []
        self._num_rows = 0
        self._by_name: dict[str, dict[LabelSet, int]] = {}
        self._selections: dict[Matchers, _Selection] = {}
        self._last: tuple[Sequence[LabelSet], NDArray[np.intp], NDArray[np.bool_] | None] | None = None
        self.num_refused = 0
        """Samples of series that were not admitted."""

    @property
    def num_samples(self) -> int:
        """How many samples are held."""
        return sum(chunk.num_samples for chunk in self._chunks)

    @property
    def num_series(self) -> int:
        """How many series are held."""
        return len(self._row_of)

    @property
    def names(self) -> frozenset[str]:
        """The metric names that have series."""
        return frozenset(self._by_name)

    def append(self, time_s: float, labels: Sequence[LabelSet], values: Sequence[float]) -> None:
        """Add one scrape: each series' value; those that are not in it are stale from now on.

        A scrape that is not newer than the newest is ignored. The same *labels* object as last time costs least.

        Args:
            time_s: seconds since the epoch, in whole milliseconds (`round_ms`).
        """
        if self._chunks and time_s <= self._chunks[-1].times[-1]:
            return
        rows, is_kept = self._rows(labels)
        new = np.asarray(values, dtype=np.float64)
        if is_kept is not None:
            self.num_refused += len(labels) - len(rows)
            new = new[is_kept]
        if not self._chunks or len(self._chunks[-1].times) == COLUMNS:
            self._chunks.append(_Chunk(self._num_rows))
        self._chunks[-1].widen(self._num_rows)
        self._chunks[-1].add(time_s, rows, new)
        while self._chunks[0].times[-1] < time_s - self._retention_s:
            del self._chunks[0]

    def forget_older(self, time_s: float) -> list[LabelSet]:
        """Forget the series without a sample since *time_s*; answers which those were."""
        is_alive = np.zeros(self._num_rows, dtype=np.bool_)
        for chunk in self._chunks:
            first = bisect_left(chunk.times, time_s)
            part = chunk.values[:, first : len(chunk.times)]
            is_alive[: len(part)] |= ~is_stale(part).all(axis=1)
        gone = [labels for labels, row in self._row_of.items() if not is_alive[row]]
        for labels in gone:
            self._free.append(self._row_of.pop(labels))
            family = self._by_name[labels[NAME]]
            del family[labels]
            if not family:
                del self._by_name[labels[NAME]]
        if gone:
            self._changed()
        return gone

    def instant(self, matchers: Matchers, time_s: float) -> Column | None:
        """The newest values at or before *time_s*, unless that scrape is too old; stale ones are marked.

        A sample exactly at the edge of the lookback counts, as in Prometheus 2.x.
        """
        selection = self._select(matchers)
        if not selection.labels:
            return None
        for chunk in reversed(self._chunks):
            if chunk.times[0] <= time_s:
                column = bisect_right(chunk.times, time_s) - 1
                if chunk.times[column] < round_ms(time_s - LOOKBACK_S):
                    return None
                values = chunk.part(selection, column, column + 1)[:, 0]
                return Column(selection.labels, chunk.times[column], values)
        return None

    def window(self, matchers: Matchers, start_s: float, end_s: float) -> Window | None:
        """The samples between start and end; one exactly at the start counts, as in Prometheus 2.x."""
        selection = self._select(matchers)
        if not selection.labels:
            return None
        times: list[float] = []
        parts: list[Values] = []
        oldest = next((i for i in range(len(self._chunks), 0, -1) if self._chunks[i - 1].times[0] < start_s), 1) - 1
        for chunk in self._chunks[oldest:]:
            first, last = bisect_left(chunk.times, start_s), bisect_right(chunk.times, end_s)
            if first < last:
                times += chunk.times[first:last]
                parts.append(chunk.part(selection, first, last))
        if not parts:
            return None
        values = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        return Window(selection.labels, selection.nameless, times, values)

    def _select(self, matchers: Matchers) -> _Selection:
        found = self._selections.get(matchers)
        if found is None:
            if len(self._selections) >= MAX_SELECTIONS:
                self._selections.clear()
            found = self._selections[matchers] = self._selected(matchers)
        return found

    def _selected(self, matchers: Matchers) -> _Selection:
        name = next((m.value for m in matchers if m.name == NAME and m.operator == "="), None)
        families = [self._by_name.get(name, {})] if name is not None else list(self._by_name.values())
        tests = [(m.name, m.compiled()) for m in matchers if not (m.name == NAME and m.operator == "=")]
        found = [
            (labels, row)
            for family in families
            for labels, row in family.items()
            if all(test(labels.get(label, "")) for label, test in tests)
        ]
        rows = np.array([row for _, row in found], dtype=np.intp)
        end = int(rows.max()) + 1 if found else 0
        is_run = bool(found) and bool((np.diff(rows) == 1).all())
        return _Selection(
            labels=tuple(labels for labels, _ in found),
            nameless=tuple(labels.without_name() for labels, _ in found),
            rows=slice(int(rows[0]), end) if is_run else rows,
            end=end,
        )

    def _rows(self, labels: Sequence[LabelSet]) -> tuple[NDArray[np.intp], NDArray[np.bool_] | None]:
        """The row of each series that is kept, and which those are, unless all are."""
        if self._last is not None and self._last[0] is labels:
            return self._last[1:]
        new = [one for one in labels if one not in self._row_of]
        # Where there is no room for all, the name that explodes is cut, not those that come after it.
        sizes = Counter(one[NAME] for one in new)
        for one in sorted(new, key=lambda one: (sizes[one[NAME]], one[NAME])):
            self._add(one)
        rows = np.array([self._row_of.get(one, -1) for one in labels], dtype=np.intp)
        if (rows >= 0).all():
            self._last = (labels, rows, None)
            return rows, None
        # What was refused may find room the next time, so this is not remembered.
        return rows[rows >= 0], rows >= 0

    def _add(self, labels: LabelSet) -> None:
        if labels in self._row_of or not self._admit(labels, self):
            return
        if self._free:
            row = self._free.pop()
            for chunk in self._chunks:
                if row < len(chunk.values):
                    chunk.values[row] = _stale(1)
        else:
            row, self._num_rows = self._num_rows, self._num_rows + 1
        self._row_of[labels] = row
        self._by_name.setdefault(labels[NAME], {})[labels] = row
        self._changed()

    def _changed(self) -> None:
        self._selections.clear()
        self._last = None


def _stale(num_rows: int) -> Values:
    return np.full((num_rows, COLUMNS), STALE).view(np.float64)
