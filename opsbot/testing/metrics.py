"""The test's series as what the bot asks: our own PromQL evaluator over them, at the virtual time.

Samples appear interval by interval, as if they were scraped; what an act sets replaces a series from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from opsbot.clock import Clock
from opsbot.promql.condition import Asking, Sample
from opsbot.promql.evaluate import evaluate
from opsbot.promql.labelset import LabelSet
from opsbot.promql.samples import SampleStore
from opsbot.promql.sheet import round_ms
from opsbot.promql.syntax import parse
from opsbot.testing.notation import Series, Value

RETENTION_S = 2 * 24 * 3600.0


@dataclass(slots=True)
class _Course:
    """What a series does from the tick *since* on."""

    since: int
    values: tuple[Value, ...]

    def at(self, tick: int) -> Value:
        index = tick - self.since
        return self.values[index] if 0 <= index < len(self.values) else None


class SeriesMetrics(Asking):
    """Implements Prober over series."""

    def __init__(self, series: Iterable[Series], interval_s: float, clock: Clock) -> None:
        self.store = SampleStore(RETENTION_S)
        self._interval_s = interval_s
        self._clock = clock
        self._start_s = clock.now()
        self._next_tick = 0
        self._courses = {one.labels: _Course(0, one.values) for one in series}

    async def query(self, text: str) -> tuple[Sample, ...]:
        """The elements that *text* yields now."""
        self.scrape()
        value = evaluate(parse(text), self.store, round_ms(self._clock.now()))
        if isinstance(value, float):
            return (Sample({}, value),)
        return tuple(Sample(dict(labels), number) for labels, number in value)

    def scrape(self) -> None:
        """Add every sample up to now."""
        while self._start_s + self._next_tick * self._interval_s <= self._clock.now():
            time_s = round_ms(self._start_s + self._next_tick * self._interval_s)
            for labels, course in self._courses.items():
                self._append(labels, course.at(self._next_tick), time_s)
            self._next_tick += 1

    def replace(self, series: Iterable[Series]) -> None:
        """Let series go on in another way, from the next sample on."""
        self.scrape()
        for one in series:
            self._courses[one.labels] = _Course(self._next_tick, one.values)

    def _append(self, labels: LabelSet, value: Value, time_s: float) -> None:
        # A sheet for each series: a gap in one is no stale mark, and a mark in one is none in the others.
        if value == "stale":
            self.store.sheet(labels).append(time_s, (), ())
        elif value is not None:
            self.store.sheet(labels).append(time_s, (labels,), (value,))
