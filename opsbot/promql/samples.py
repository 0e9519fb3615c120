"""Samples in memory: one buffer a series, bounded in time, and in the number of series.

A target that stops being scraped, or a series it no longer exposes, gets a stale mark, and is gone at once for instant
selectors, as in Prometheus.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from opsbot.promql.pattern import compiled

NAME = "__name__"
LOOKBACK_S = 300.0
"""How far back an instant selector looks; Prometheus's default."""

Labels = tuple[tuple[str, str], ...]


def round_ms(time_s: float) -> float:
    """Whole milliseconds, Prometheus's own resolution: only so is a sample exactly at an edge exactly at it."""
    return round(time_s, 3)


def freeze(labels: Mapping[str, str]) -> Labels:
    """A label set as a sorted tuple, so that equal sets are equal."""
    return tuple(sorted(labels.items()))


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher: `=`, `!=`, `=~` or `!~`; regular expressions are anchored, as in Prometheus."""

    name: str
    operator: str
    value: str

    def compiled(self) -> Callable[[str], bool]:
        """A test of one label value; an absent label is the empty text."""
        match self.operator:
            case "=":
                return lambda value: value == self.value
            case "!=":
                return lambda value: value != self.value
            case "=~":
                pattern = compiled(self.value)
                return lambda value: pattern.fullmatch(value) is not None
            case _:
                pattern = compiled(self.value)
                return lambda value: pattern.fullmatch(value) is None


@dataclass(slots=True)
class Series:
    """One series. `values[i]` is None where it went stale at `times[i]` (seconds since the epoch)."""

    labels: Mapping[str, str]
    times: list[float] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)

    def at(self, time_s: float, *, includes_start: bool) -> float | None:
        """The newest value at or before *time_s*, unless it is too old or stale."""
        index = bisect_right(self.times, time_s) - 1
        if index < 0:
            return None
        start_s = round_ms(time_s - LOOKBACK_S)
        if self.times[index] < start_s or (self.times[index] == start_s and not includes_start):
            return None
        return self.values[index]

    def window(self, start_s: float, end_s: float, *, includes_start: bool) -> list[tuple[float, float]]:
        """The samples between start and end, without stale marks."""
        find = bisect_left if includes_start else bisect_right
        first, last = find(self.times, start_s), bisect_right(self.times, end_s)
        return [
            (time_s, value)
            for time_s, value in zip(self.times[first:last], self.values[first:last], strict=True)
            if value is not None
        ]


class SampleStore:
    """All series of a watch role.

    Args:
        retention_s: how long samples are kept.
        max_series: more than that many are refused and counted, so that a wild exposition cannot eat the memory.
    """

    def __init__(self, retention_s: float = 900.0, max_series: int = 20_000) -> None:
        self._retention_s = retention_s
        self._max_series = max_series
        self._by_name: dict[str, dict[Labels, Series]] = {}
        self._num_series = 0
        self.num_refused = 0
        """Samples of series beyond `max_series`."""

    @property
    def num_series(self) -> int:
        """How many series are held."""
        return self._num_series

    def append(self, labels: Mapping[str, str], time_s: float, value: float | None) -> None:
        """Add one sample (None marks the series stale); samples not newer than the newest are ignored.

        Args:
            time_s: seconds since the epoch, in whole milliseconds (`round_ms`).
        """
        family = self._by_name.setdefault(labels[NAME], {})
        key = freeze(labels)
        series = family.get(key)
        if series is None:
            if value is None:
                return
            if self._num_series >= self._max_series:
                self.num_refused += 1
                return
            series = family[key] = Series(dict(labels))
            self._num_series += 1
        if series.times and time_s <= series.times[-1]:
            return
        series.times.append(time_s)
        series.values.append(value)
        # Cut in chunks: moving the lists at each sample would cost more than the memory saved.
        surplus = bisect_left(series.times, time_s - self._retention_s)
        if surplus > 64:
            del series.times[:surplus]
            del series.values[:surplus]

    def forget_older(self, time_s: float) -> None:
        """Drop the series whose newest sample is older than the retention."""
        for name, family in list(self._by_name.items()):
            for key in [k for k, series in family.items() if series.times[-1] < time_s - self._retention_s]:
                del family[key]
                self._num_series -= 1
            if not family:
                del self._by_name[name]

    def names(self) -> frozenset[str]:
        """The metric names that have series."""
        return frozenset(name for name, family in self._by_name.items() if family)

    def select(self, matchers: Sequence[Matcher]) -> Iterable[Series]:
        """Every series that all matchers accept."""
        name = next((m.value for m in matchers if m.name == NAME and m.operator == "="), None)
        families = [self._by_name.get(name, {})] if name is not None else list(self._by_name.values())
        tests = [(m.name, m.compiled()) for m in matchers if not (m.name == NAME and m.operator == "=")]
        for family in families:
            for series in family.values():
                if all(test(series.labels.get(label, "")) for label, test in tests):
                    yield series
